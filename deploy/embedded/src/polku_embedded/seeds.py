"""Who is there at first: organisations, machine clients and staff, made by the same commands that people use."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from polku_embedded import Trouble

ORGANISATIONS = (
    ("kk-tyollisyysalue", "Kainuu-Koillismaan työllisyysalue", "employment-area"),
    ("kainuun-hva", "Kainuun hyvinvointialue", "wellbeing-county"),
    ("polku-hanke", "Kainuun polkuhanke", "project"),
)
PEOPLE = (
    # login, name, role, organisation, programme
    ("kaisa.koordinaattori", "Kaisa Koordinaattori", "coordinator", "polku-hanke", True),
    ("onni.ohjaaja", "Onni Ohjaaja", "coach", "polku-hanke", True),
    ("maija.paallikko", "Maija Päällikkö", "manager", "polku-hanke", True),
    ("ossi.ohjausryhma", "Ossi Ohjausryhmä", "steering", None, True),
    ("liisa.lahettaja", "Liisa Lähettäjä", "referrer", "kk-tyollisyysalue", False),
)


def polku(*arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs `polku … --json` as a person would; answers what it printed. Raises Trouble with its own words."""
    command = [sys.executable, "-m", "polku_embedded.cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
    if done.returncode:
        raise Trouble(done.stderr.strip().removeprefix("polku: ") or f"polku {arguments[0]} failed")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def organisations(environment: Mapping[str, str] | None = None) -> None:
    def add(one: tuple[str, str, str]) -> None:
        code, name, kind = one
        polku("organisation", "add", code, name, "--kind", kind, environment=environment)

    with ThreadPoolExecutor() as pool:  # most of a command is its start, and none waits for another
        list(pool.map(add, ORGANISATIONS))


def agreement(organisation: str, starts_on: date, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The organisation may refer to the programme, by any route to any service."""
    said = ("--organisation", organisation, "--programme", "kainuu", "--from", starts_on.isoformat())
    return polku("agreement", "add", *said, environment=environment)


def client(
    organisation: str, scopes: Sequence[str], environment: Mapping[str, str] | None = None, *, name: str = ""
) -> dict[str, Any]:
    """A machine client with a fresh key pair."""
    named = [part for scope in scopes for part in ("--scope", scope)]
    return polku("client", "add", "--organisation", organisation, "--name", name, *named, environment=environment)


def invite(
    login: str,
    name: str,
    role: str,
    organisation: str | None,
    *,
    programme: bool,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A staff member and the one-time link."""
    more = ["--organisation", organisation] if organisation else []
    more += ["--programme", "kainuu"] if programme else []
    return polku("staff", "invite", login, "--name", name, "--role", role, *more, environment=environment)
