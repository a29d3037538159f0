"""`polku demo`: everything started, the Kainuu programme, artificial people, a link for each role."""

import asyncio
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import httpx

from polku_embedded import Trouble, seeds
from polku_embedded.folder import DataFolder
from polku_embedded.world.colleague import Colleague

SEES = {
    "coordinator": "the inbox, the case-load, pathways and sessions",
    "coach": "own sessions and their attendance",
    "manager": "everything, and the figures against their targets",
    "steering": "the figures, never a person",
    "referrer": "what the own organisation has sent, and the answers",
}
AUTHORITY = "kk-tyollisyysalue"
BEGINNING = date(2021, 1, 1)
"""The funding period's first day, so that the agreement is in force whenever the demo runs."""
SIMULATED = (("simulaatio.koordinaattori", "coordinator"), ("simulaatio.ohjaaja", "coach"))


def prepare(folder: DataFolder) -> bool:
    """Makes a new folder one for artificial people; answers whether it still has to be seeded.

    Raises Trouble for a folder that holds somebody's own installation.
    """
    if (folder.path / "demo.json").exists():
        return False
    if (folder.path / "mongodb").exists() and not (folder.path / "demo").exists():
        raise Trouble(f"{folder.path} holds an installation of your own; choose another folder by POLKU_DATA")
    folder.write("demo", "")
    folder.keep_setting("POLKU_IDENTITY_CODES", "artificial")
    return True


def seed(folder: DataFolder, base_url: str) -> None:
    """Organisations, an authority's machine client and two people who work by themselves."""
    seeds.organisations()
    seeds.agreement(AUTHORITY, BEGINNING)
    scopes = ("referrals:write", "referrals:read")
    demo: dict[str, Any] = {"client": seeds.client(AUTHORITY, scopes, name="Työllisyysalueen asiakastietojärjestelmä")}
    for login, role in SIMULATED:
        password = secrets.token_urlsafe(16)
        link = seeds.invite(login, login, role, "polku-hanke", programme=True)["link"]
        asyncio.run(_first_sign_in(base_url, link, password))
        demo[role] = [login, password]
    folder.write("demo.json", json.dumps(demo))


def links() -> list[dict[str, str]]:
    """A fresh one-time link for each role, with what it shows."""

    def of(one: tuple[str, str, str, str | None, bool]) -> dict[str, str]:
        login, name, role, organisation, programme = one
        link = seeds.invite(login, name, role, organisation, programme=programme)["link"]
        return {"role": role, "sees": SEES[role], "link": link}

    with ThreadPoolExecutor() as pool:
        return list(pool.map(of, seeds.PEOPLE))


async def _first_sign_in(base_url: str, link: str, password: str) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=10) as http:
        await Colleague(http).open_link(link, password)
