"""A manager connects an authority in a browser without JavaScript; every page on the way is accessible."""

import pytest
from playwright.async_api import Page, expect

from ..installation import Installation
from .conftest import Desks
from .test_pages import LOOKS, Look

PLACE = "/referral/organisations"


async def test_an_authority_is_connected_without_javascript(desks: Desks) -> None:
    page = await desks.page("manager", PLACE, lang="en", scripts=False)
    await page.get_by_role("link", name="Add an organisation").click()
    await page.get_by_label("Name", exact=True).fill("Selaimen kunta")
    await page.get_by_label("Code").fill("selain")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Selaimen kunta")
    await expect(page.get_by_text("what the organisation sends is not restricted")).to_be_visible()

    await page.get_by_role("link", name="Add an agreement").click()
    await page.get_by_label("Training", exact=True).check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#agreements tbody tr")).to_have_count(1)

    await page.get_by_role("link", name="See and change the codes").click()
    services = page.get_by_role("region", name="Services")
    await services.get_by_label("The organisation’s code").fill("Verstas")
    await services.get_by_label("Stands for").select_option(label="Training")
    await services.get_by_role("button", name="Add").click()
    await expect(services.get_by_label("Verstas", exact=True)).to_have_value("training")
    await services.get_by_role("button", name="Remove: Verstas").click()
    await expect(services.get_by_label("Verstas", exact=True)).to_have_count(0)
    await page.get_by_role("link", name="Selaimen kunta").click()

    await page.get_by_role("link", name="Add a system").click()
    await page.get_by_label("Name").fill("Asiakastieto")
    await page.get_by_role("button", name="Add").click()
    await expect(page.locator("pre")).to_contain_text("POLKU_CLIENT_KEY=")
    await page.get_by_role("link", name="On to the system").click()
    await expect(page.locator("pre")).to_have_count(0)

    await page.get_by_role("link", name="Revoke").click()
    await page.get_by_role("button", name="Revoke").click()
    await expect(page.locator(".heading .tag")).to_have_text("Revoked")

    await page.get_by_role("link", name="Selaimen kunta").click()
    await page.get_by_role("link", name="Add an X-Road member").click()
    await page.get_by_label("Member and subsystem").fill("FI-TEST/MUN/1234567-8/Selain")
    await page.get_by_role("button", name="Add").click()
    member = page.locator("#members tbody tr")
    await member.get_by_role("link", name="Revoke FI-TEST/MUN/1234567-8/Selain").click()
    await page.get_by_role("button", name="Revoke").click()
    await expect(member).to_contain_text("Revoked")
    await member.get_by_role("button", name="Restore").click()
    await expect(member).to_contain_text("In use")
    await page.context.close()


@pytest.fixture(scope="module")
def authority(installation: Installation) -> str:
    """The name of one with two agreements, of which one is over, and a system."""
    name = "Kansion hyvinvointialue"
    for said in (
        ("organisation", "add", "kansio", name, "--kind", "wellbeing-county", "--business-id", "2077474-0"),
        ("agreement", "add", "--organisation", "kansio", "--from", "1.1.2026", "--route", "adult-social-work"),
        ("agreement", "add", "--organisation", "kansio", "--from", "1.1.2025", "--until", "31.12.2025"),
        (
            "client",
            "add",
            "--organisation",
            "kansio",
            "--scope",
            "referrals:write",
            "--scope",
            "referrals:read",
            "--test",
        ),
        ("organisation", "xroad", "kansio", "FI-TEST/MUN/2077474-0/Sosiaalihuollon-asiakastietojarjestelma", "--test"),
    ):
        done = installation.polku(*said)
        assert done.returncode == 0, done.stderr
    return name


@pytest.mark.parametrize(("lang", "scheme"), LOOKS)
async def test_the_pages_are_accessible(desks: Desks, authority: str, lang: str, scheme: str) -> None:
    page: Page = await (await desks.context("manager", lang=lang, scheme=scheme)).new_page()
    await page.goto(PLACE)
    here = await page.get_by_role("link", name=authority).get_attribute("href")
    assert here
    await page.goto(here)
    client = await page.locator("#clients tbody th a").first.get_attribute("href")
    assert client
    member = await page.locator("#members tbody a").first.get_attribute("href")
    assert member
    ending = await page.locator("#agreements a").first.get_attribute("href")
    assert ending
    await page.goto(client)
    key = await page.locator("[id^=k-]").first.get_attribute("id")
    assert key
    look, found = Look(page), []
    for address in (
        PLACE,
        f"{PLACE}/add",
        here,
        f"{here}/change",
        f"{here}/deactivate",
        f"{here}/agreements/add",
        f"{here}/clients/add",
        client,
        f"{client}/revoke",
        f"{client}/keys/{key.removeprefix('k-')}/remove",
        ending,
        f"{here}/x-road-members/add",
        member,
        f"{here}/codes",
    ):
        found += await look.faults(address, lang)
    assert found == []
    await page.context.close()
