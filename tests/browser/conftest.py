"""A browser, people of every role signed in, and pages with life on them; one installation for all of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, BrowserContext, Page, StorageState, async_playwright, expect

from polku_embedded.simulation import World

from ..installation import PASSWORD, Installation
from . import history

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
ROLES = {"coordinator": "koordinaattori", "coach": "ohjaaja", "manager": "paallikko", "steering": "ohjausryhma"}
LOCALES = {"fi": "fi-FI", "sv": "sv-SE", "en": "en-GB"}

expect.set_options(timeout=15_000)


@dataclass(frozen=True)
class Desks:
    """Opens browsers of people who are signed in. Nobody shares cookies with anybody else."""

    browser: Browser
    address: str
    kept: dict[str, StorageState]

    async def context(
        self, role: str = "", *, lang: str = "fi", scheme: str = "light", width: int = 1280, scripts: bool = True
    ) -> BrowserContext:
        return await self.browser.new_context(
            base_url=self.address,
            storage_state=self.kept[role] if role else None,
            locale=LOCALES[lang],
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
        )

    async def page(self, role: str = "", path: str = "/", *, lang: str = "fi", scripts: bool = True) -> Page:
        context = await self.context(role, lang=lang, scripts=scripts)
        page = await context.new_page()
        await page.goto(path)
        return page


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        await running.close()


@pytest.fixture(scope="session")
async def world(installation: Installation) -> AsyncIterator[World]:
    """Thirty people with a history; its coordinator and coach are the ones whose pages are looked at."""
    async with history.world(installation) as there:
        await history.live_through(there, 30)
        yield there


@pytest.fixture(scope="session")
async def desks(installation: Installation, world: World, browser: Browser) -> Desks:
    """The world's coordinator and coach, a manager, a member of the steering group and a referrer at browsers."""
    for role in ("manager", "steering"):
        async with installation.signed_in(role, f"kansio.{ROLES[role]}"):
            pass
    kept = {}
    for role, name in ROLES.items():
        context = await browser.new_context(base_url=installation.address)
        await sign_in(await context.new_page(), f"kansio.{name}")
        kept[role] = await context.storage_state()
        await context.close()
    context = await browser.new_context(base_url=installation.address)
    page = await context.new_page()
    await page.goto(installation.invite("referrer", "kansio.lahettaja", "kk-tyollisyysalue")["link"])
    await page.locator("main button").click()
    await expect(page.locator("header nav")).to_be_visible()
    kept["referrer"] = await context.storage_state()
    await context.close()
    return Desks(browser, installation.address, kept)


async def sign_in(page: Page, login: str) -> None:
    await page.goto("/referral/sign-in")
    await page.locator("#f-login").fill(login)
    await page.locator("#f-password").fill(PASSWORD)
    await page.locator("main button").click()
    await expect(page.locator("header nav")).to_be_visible()
