"""Pages that stay open see what happens meanwhile, say how they stand, and miss nothing."""

import asyncio
import re
from itertools import count
from typing import Any

from playwright.async_api import Locator, Page, expect

from polku_embedded.simulation import World, present_day

from ..installation import Installation, body
from .conftest import Desks

INBOX = "/referral/referrals?state=received"
DASHBOARD = "/indicators/programmes/kainuu"
LIVE, WAITING, PAUSED = re.compile("Päivittyy"), re.compile("Yhdistetään uudelleen"), re.compile("Päivitys keskeytetty")

numbers = count(50_000)


async def sent(world: World) -> dict[str, Any]:
    """One more referral, as its sender reads it."""
    number = next(numbers)
    return dict(await world.sender.push(body(f"LIVE-{number}", number, referred_on=present_day())))


async def refer(world: World) -> str:
    """One more referral; its case code."""
    return str((await sent(world))["case_code"])


def state(page: Page) -> Locator:
    return page.locator(".connection .state")


def row(page: Page, case_code: str) -> Locator:
    return page.locator("#referrals tbody tr").filter(has_text=case_code)


async def never_reloaded(page: Page) -> None:
    await page.evaluate("window.opened = 'once'")


async def test_a_referral_appears_in_an_open_inbox(desks: Desks, world: World) -> None:
    page = await desks.page("coordinator", INBOX)
    await expect(state(page)).to_have_text(LIVE)
    await never_reloaded(page)
    case_code = await refer(world)
    await expect(row(page, case_code)).to_be_visible()
    assert await page.evaluate("window.opened") == "once"
    await page.context.close()


async def test_an_open_referral_says_that_it_was_answered_and_keeps_what_is_typed(desks: Desks, world: World) -> None:
    referral = await sent(world)
    page = await desks.page("coordinator", f"/referral/referrals/{referral['id']}")
    await expect(state(page)).to_have_text(LIVE)
    await page.locator("form[action$=decline] textarea").fill("Pitkä selitys")
    await world.coordinator.command(
        f"/referral/api/v1/referrals/{referral['id']}/decline", {"reason": "no-capacity"}, referral["version"]
    )
    await expect(page.locator("#news")).to_contain_text("Hylätty, ")
    await expect(page.locator("form[action$=decline] textarea")).to_have_value("Pitkä selitys")
    await page.context.close()


async def test_a_figure_of_an_open_dashboard_moves(desks: Desks, world: World) -> None:
    page = await desks.page("manager", DASHBOARD)
    await expect(state(page)).to_have_text(LIVE)
    figure = page.locator('.tile a[href*="REFERRALS-RECEIVED"]')
    before = int((await figure.inner_text()).split()[0])
    await refer(world)
    await expect(figure).to_have_text(re.compile(rf"^{before + 1} –"))
    await page.context.close()


async def test_a_page_outlives_the_web_process(desks: Desks, world: World, installation: Installation) -> None:
    page = await desks.page("coordinator", INBOX)
    await expect(state(page)).to_have_text(LIVE)
    await never_reloaded(page)
    installation.kill("web")
    await expect(state(page)).to_have_text(WAITING)
    # The sender tries until it is answered, so this comes while the page is perhaps still on its way back.
    case_code = await refer(world)
    await expect(state(page)).to_have_text(LIVE, timeout=45_000)
    await expect(row(page, case_code)).to_be_visible()
    assert await page.evaluate("window.opened") == "once"
    await page.context.close()


async def test_the_reader_can_pause(desks: Desks, world: World) -> None:
    page = await desks.page("coordinator", INBOX)
    await expect(state(page)).to_have_text(LIVE)
    button = page.locator(".connection .pause")
    await button.click()
    await expect(state(page)).to_have_text(PAUSED)
    case_code = await refer(world)
    await asyncio.sleep(1.5)
    await expect(row(page, case_code)).to_have_count(0)
    await button.click()
    await expect(state(page)).to_have_text(LIVE)
    await expect(row(page, case_code)).to_be_visible()
    await page.context.close()
