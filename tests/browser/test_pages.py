"""Every page as the people see it: accessible in every language and scheme, fits a phone, no fault in the console."""

import asyncio
from functools import cache

import pytest
from playwright.async_api import ConsoleMessage, Page

from polku_embedded.simulation import World

from ..installation import ROOT, Installation
from .conftest import Desks

AXE = ROOT / "build/static/vendor/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
LOOKS = (("fi", "light"), ("sv", "dark"))
NARROW = 320
DASHBOARD = "/indicators/programmes/kainuu"

# Where somebody of a role goes; a selector after the address means the first such link on it.
PAGES = (
    ("", "/referral/sign-in", ""),
    ("", "/referral/link/nothing-like-a-link", ""),
    ("", "/problems", ""),
    ("", "/problems/lost-race", ""),
    ("coordinator", "/referral/referrals?state=received", ""),
    ("coordinator", "/referral/referrals", ""),
    ("coordinator", "/referral/referrals?state=received", "tbody th a"),
    ("coordinator", "/referral/referrals?state=declined", "tbody th a"),
    ("referrer", "/referral/referrals", ""),
    ("referrer", "/referral/referrals?state=accepted", "tbody th a"),
    ("coordinator", "/pathway/pathways", ""),
    ("manager", "/pathway/pathways?whose=all&state=all", ""),
    ("coordinator", "/pathway/pathways?stage=activity", "tbody th a"),
    ("coordinator", "/pathway/pathways?incomplete=true", "tbody th a"),
    ("coordinator", "/pathway/pathways?state=closed", "tbody th a"),
    ("coach", "/activities/sessions?period=all", ""),
    ("coach", "/activities/sessions/new", ""),
    ("coach", "/activities/sessions?period=all&state=planned", "tbody th a"),
    ("coach", "/activities/sessions?period=all&state=held", "tbody th a"),
    ("manager", DASHBOARD, ""),
    ("steering", f"{DASHBOARD}?as_of=2026-03-01&then=yes", ""),
    ("manager", f"{DASHBOARD}/figures/EECO02", ""),
    ("manager", f"{DASHBOARD}/figures/EECR01?left_out=yes", ""),
    ("manager", f"{DASHBOARD}/figures/SESSIONS", ""),
    ("steering", "/pathway/pathways", ""),
    ("coordinator", "/pathway/pathways/0190c0c0-0000-7000-8000-000000000000", ""),
)
FORMS = ("start", "stage", "end", "amend-entry", "amend-exit", "reopen")


@cache
def axe() -> str:
    return AXE.read_text("utf-8")


class Look:
    """One page in one look; collects what its console complains about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        # A page that says 403 or 404 in words is one that the browser reports as well.
        if message.type == "error" and "status of 40" not in message.text:
            self.said.append(message.text)

    async def faults(self, address: str, lang: str) -> list[str]:
        await self.page.goto(f"{address}{'&' if '?' in address else '?'}lang={lang}")
        await self.page.wait_for_load_state("load")
        await self.page.evaluate(f"async () => {{ {axe()} }}")
        report = await self.page.evaluate(
            "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS
        )
        found = [
            f"{violation['id']}: {node['html'][:160]}"
            for violation in report["violations"]
            for node in violation["nodes"]
        ]
        assert await self.page.locator("html").get_attribute("lang") == lang
        await self.page.set_viewport_size({"width": NARROW, "height": 640})
        wide = await self.page.evaluate("document.documentElement.scrollWidth")
        if wide > NARROW:
            found.append(f"{wide} px wide at {NARROW}")
        await self.page.set_viewport_size({"width": 1280, "height": 900})
        found += self.said
        self.said.clear()
        return [f"{address} ({lang}): {fault}" for fault in found]


@pytest.fixture(scope="module")
async def addresses(desks: Desks, world: World) -> list[tuple[str, str]]:
    """Role and address of every page, forms included."""
    assert world.pushed
    found: list[tuple[str, str]] = []
    pages = {}
    for role, address, selector in PAGES:
        if role not in pages:
            pages[role] = await (await desks.context(role)).new_page()
        if selector:
            await pages[role].goto(address)
            link = await pages[role].locator(selector).first.get_attribute("href")
            assert link, f"nothing to open on {address}"
            found.append((role, link))
            if link.startswith("/pathway/pathways/"):
                found += [(role, form) for form in await _forms(pages[role], link)]
        else:
            found.append((role, address))
    for page in pages.values():
        await page.context.close()
    return list(dict.fromkeys(found))


async def _forms(page: Page, pathway: str) -> list[str]:
    await page.goto(pathway)
    links = await page.locator("#now .actions a").all()
    return [str(await link.get_attribute("href")) for link in links]


@pytest.mark.parametrize(("lang", "scheme"), LOOKS)
async def test_every_page_is_accessible_and_fits_a_phone(
    desks: Desks, addresses: list[tuple[str, str]], lang: str, scheme: str
) -> None:
    assert {address.rpartition("/")[2] for _, address in addresses} >= {"stage", "end", "amend-entry", "reopen"}
    assert await _faults(desks, addresses, lang, scheme) == []


async def test_english_pages_are_accessible(desks: Desks, addresses: list[tuple[str, str]]) -> None:
    once = [(role, address) for role, address in addresses if address in ("/pathway/pathways", DASHBOARD)]
    assert await _faults(desks, [*once, *addresses[:1]], "en", "light") == []


async def test_a_link_for_a_first_sign_in_is_accessible(desks: Desks, installation: Installation) -> None:
    link = installation.invite("coach", "kansio.uusi")["link"].removeprefix(installation.address)
    assert await _faults(desks, [("", link)], "sv", "light") == []


async def _faults(desks: Desks, addresses: list[tuple[str, str]], lang: str, scheme: str) -> list[str]:
    """Every role looks at its pages in a browser of its own, side by side: the browser has a process for each."""

    async def of(role: str) -> list[str]:
        context = await desks.context(role, lang=lang, scheme=scheme)
        look = Look(await context.new_page())
        found = [await look.faults(address, lang) for whose, address in addresses if whose == role]
        await context.close()
        return [fault for faults in found for fault in faults]

    roles = dict.fromkeys(role for role, _ in addresses)
    return [fault for found in await asyncio.gather(*(of(role) for role in roles)) for fault in found]
