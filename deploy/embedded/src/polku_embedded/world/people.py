"""Artificial persons: identity codes from the 900–999 range, which the population register never gives out."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"
GIVEN = (
    "Aino", "Eero", "Helmi", "Ilmari", "Kaisa", "Lauri", "Martta", "Niilo", "Oona", "Pekka", "Raili", "Sauli",
    "Tuulikki", "Urho", "Venla", "Väinö", "Åsa", "Östen",
)  # fmt: skip
FAMILY = (
    "Testilä", "Esimerkki", "Malli-Koe", "Harjoitus", "Kokeilu", "Näyte", "Koekäyttö", "Keksitty", "Tekaistu",
    "Mallinen", "Övningsson", "Sepite",
)  # fmt: skip
MUNICIPALITIES = ("105", "205", "290", "305", "578", "620", "697", "765", "777", "832")


@dataclass(frozen=True)
class Person:
    identity_code: str
    born: date
    given_names: str
    family_name: str
    municipality: str


def identity_code(born: date, number: int, variant: int = 0) -> str:
    """A valid code of the artificial range. number: 900–999; variant: which of the century's characters."""
    centuries = {1900: "-YXWVU", 2000: "ABCDEF"}[born.year // 100 * 100]
    digits = born.strftime("%d%m%y")
    return f"{digits}{centuries[variant]}{number}{CHECK[int(f'{digits}{number}') % len(CHECK)]}"


def person(number: int, random: Random) -> Person:
    """The `number`th person of a world; different numbers are different people, up to 4 million."""
    # A day of birth holds 600 artificial codes (100 numbers × 6 characters); a stride of days keeps ages spread.
    day, within = divmod(number, 600)
    born = date(1965, 1, 1) + timedelta(days=(day * 487 + within * 29) % 14600)
    return Person(
        identity_code=identity_code(born, 900 + within % 100, within // 100),
        born=born,
        given_names=random.choice(GIVEN),
        family_name=random.choice(FAMILY),
        municipality=random.choice(MUNICIPALITIES),
    )
