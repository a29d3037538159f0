"""`python docs/picture.py`: the dashboard's picture for the README, from a throw-away installation."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import history  # noqa: E402
from tests.installation import PASSWORD, Installation, installed  # noqa: E402

PICTURE = ROOT / "docs/images/dashboard.png"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
WIDTH, HEIGHT = 1280, 1260
PEOPLE, SEED = 62, 11
LARGEST = 250 * 1024
MANAGER = "paallikko"


async def picture(installation: Installation) -> None:
    """Lives through some months of a programme and takes the picture while the page is live."""
    async with history.world(installation, seed=SEED) as there:
        await history.live_through(there, PEOPLE, steps=7, sessions=24)
    async with installation.signed_in("manager", MANAGER):
        pass
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = await browser.new_context(
            base_url=installation.address, locale="fi-FI", viewport={"width": WIDTH, "height": HEIGHT}
        )
        await take(await context.new_page())
        await browser.close()


async def take(page: Page) -> None:
    await page.goto("/referral/sign-in")
    await page.locator("#f-login").fill(MANAGER)
    await page.locator("#f-password").fill(PASSWORD)
    await page.locator("main button").click()
    await expect(page.locator(".connection .state")).to_have_attribute("data-state", "live", timeout=20_000)
    PICTURE.parent.mkdir(exist_ok=True)
    await page.screenshot(path=PICTURE)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, installed(Path(folder) / "data") as installation:
        asyncio.run(picture(installation))
    size = PICTURE.stat().st_size
    if size > LARGEST:
        sys.exit(f"{PICTURE} takes {size} bytes; at most {LARGEST} are wanted")


if __name__ == "__main__":
    main()
