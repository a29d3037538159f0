"""A person: a surrogate id, a case code that people read, and nothing else in clear."""

from collections.abc import Mapping
from datetime import date
from random import Random

from pydantic import BaseModel, ConfigDict, Field

from polku_events import Aggregate, EventData
from polku_events.referral import PersonAgeStated
from polku_events.refusals import Refused
from polku_referral.model.identity import age_on

LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0, 1, I, L and O: a case code is read aloud and written by hand."""
LENGTH = 5
OLDEST = 120
"""Years; whoever would be older was written down wrongly."""


class Stated(BaseModel):
    """For which start day of a pathway the age was stated, and by which version of the pathway."""

    model_config = ConfigDict(frozen=True)

    on: date
    pathway_version: int


class Person(Aggregate):
    """stated: pathway id → what was answered for it; this is the inbox of the reaction."""

    case_code: str
    stated: Mapping[str, Stated] = Field(default_factory=dict)

    def has_stated(self, pathway_id: str, pathway_version: int) -> bool:
        """True when this event of the pathway, or a later one, was answered."""
        known = self.stated.get(pathway_id)
        return known is not None and known.pathway_version >= pathway_version


def new_case_code(random: Random) -> str:
    """As `K-7F3K2`; 28 million of them, so a clash is rare and simply tried again."""
    return "K-" + "".join(random.choices(LETTERS, k=LENGTH))


def state_age(
    person: Person, *, pathway_id: str, pathway_version: int, on: date, born: date
) -> tuple[Person, list[EventData]]:
    """The person's age in full years on the start day, said again for every later version of the pathway.

    Saying the same again is harmless; it keeps an older event that comes late from being taken for news.
    Raises Refused when nobody can be of that age.
    """
    age = age_on(born, on)
    if not 0 <= age <= OLDEST:
        raise Refused("age-out-of-range")
    stated = {**person.stated, pathway_id: Stated(on=on, pathway_version=pathway_version)}
    after = person.model_copy(update={"version": person.version + 1, "stated": stated})
    return after, [PersonAgeStated(person_id=person.id, pathway_id=pathway_id, on=on, age=age)]
