"""The day's work at a browser: by keyboard, without scripts, two at once, and when another service is silent."""

import re
from itertools import count

from playwright.async_api import Locator, Page, Route, expect

from polku_embedded.simulation import World, present_day

from ..installation import PASSWORD, Installation, body, until
from .conftest import Desks

INBOX = "/referral/referrals?state=received"
CASES = "/pathway/pathways"
TABS = 80

numbers = count(60_000)


async def refer(world: World) -> tuple[str, str]:
    """One more referral: the address of its page and its case code."""
    number = next(numbers)
    receipt = await world.sender.push(body(f"WORK-{number}", number, referred_on=present_day()))
    return f"/referral/referrals/{receipt['id']}", str(receipt["case_code"])


def accept_button(page: Page) -> Locator:
    return page.locator("section[aria-labelledby=h-accept] button")


async def tab_to(page: Page, target: Locator) -> None:
    """Presses Tab as somebody without a mouse does, until the focus is there."""
    await expect(target).to_be_visible()
    for _ in range(TABS):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError("the keyboard does not lead there")


async def test_a_referral_is_accepted_by_keyboard(desks: Desks, world: World) -> None:
    _, case_code = await refer(world)
    page = await desks.page("coordinator", INBOX)
    await tab_to(page, page.locator(".skip"))
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await tab_to(page, page.locator("#referrals tbody tr").filter(has_text=case_code).get_by_role("link"))
    await page.keyboard.press("Enter")
    await tab_to(page, accept_button(page))
    await page.keyboard.press("Enter")
    await expect(page.locator(".notice.good")).to_contain_text("Lähete hyväksyttiin")
    await page.context.close()


async def test_a_day_without_scripts(desks: Desks, world: World, installation: Installation) -> None:
    """A link signs in, a referral is accepted, a pathway starts, a session is planned and held: plain forms."""
    referral, case_code = await refer(world)
    link = installation.invite("coordinator", "kansio.skriptiton")["link"].removeprefix(installation.address)
    page = await desks.page("", link, scripts=False)
    await page.locator("#f-password").fill(PASSWORD)
    await page.locator("#f-again").fill(PASSWORD)
    await page.locator("main button").click()
    await expect(page.locator("header nav")).to_be_visible()

    await page.goto(referral)
    await accept_button(page).click()
    await expect(page.locator(".notice.good")).to_contain_text("Lähete hyväksyttiin")

    opened = await appears(page, f"{CASES}?case={case_code}", page.locator("#pathways tbody th a"))
    await opened.click()
    await page.locator('a[href$="/start"]').click()
    await page.locator("#f-started_on").fill(present_day().isoformat())
    await page.locator("input[name=employment_status][value=unemployed]").check()
    await page.locator("main form.narrow button").click()
    await expect(page.locator(".notice.good")).to_be_visible()

    choice = await appears(page, "/activities/sessions/new", page.locator("label.choice").filter(has_text=case_code))
    await choice.click()
    await page.locator("#f-activity").select_option("individual-coaching")
    await page.locator("input[name=group][value=no]").check()
    await page.locator("#f-day").fill(present_day().isoformat())
    await page.locator("#f-clock").fill("00:05")
    await page.locator("main form.narrow button").click()
    await expect(page.locator(".notice.good")).to_be_visible()
    await page.locator('form[action$="/hold"] button').click()
    await expect(page.locator(".heading .tag")).to_have_text("Pidetty")
    await expect(page.locator("tbody tr").filter(has_text=case_code)).to_contain_text("Paikalla")
    await page.context.close()


async def test_the_slower_of_two_sees_what_happened(desks: Desks, world: World) -> None:
    referral, _ = await refer(world)
    first, second = await desks.page("coordinator", referral), await desks.page("coordinator", referral)
    await accept_button(first).click()
    await expect(first.locator(".notice.good")).to_be_visible()
    async with second.expect_response(re.compile("/accept$")) as answer:
        await accept_button(second).click()
    assert (await answer.value).status == 409
    notice = second.locator(".notice[role=alert]")
    await expect(notice).to_contain_text("Lähete on sillä välin muuttunut")
    await expect(notice).to_be_focused()
    await expect(second.locator(".heading .tag")).to_have_text("Hyväksytty")
    await first.context.close()
    await second.context.close()


async def test_names_come_from_the_referrals(desks: Desks) -> None:
    page = await desks.page("coordinator", CASES)
    await expect(page.locator("#pathways .name").first).to_have_text(re.compile(r"\w+ \w+"))
    await expect(page.locator("#notices")).to_be_empty()
    await page.context.close()


async def test_without_names_people_are_shown_by_case_codes(desks: Desks) -> None:
    context = await desks.context("coordinator")
    page = await context.new_page()

    async def silent(route: Route) -> None:
        await route.abort()

    await page.route("**/referral/api/v1/names*", silent)
    await page.goto(CASES)
    await expect(page.locator("#notices")).to_contain_text("Henkilöt näkyvät asiakaskoodeina")
    await expect(page.locator("#pathways .case").first).to_have_text(re.compile(r"^K-"))
    assert not any(await page.locator("#pathways .name").all_text_contents())
    await context.close()


async def appears(page: Page, address: str, target: Locator) -> Locator:
    """Asks for a page again until what another service has to hear of first is on it."""

    async def there() -> bool:
        await page.goto(address)
        return bool(await target.count())

    await until(there)
    return target
