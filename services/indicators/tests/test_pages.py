"""The dashboard and the pages of members: languages, roles, past days, and how they are woken."""

import asyncio

import pytest

from .asking import page
from .stories import ALL, numbered, opened, person, received, started


@pytest.mark.parametrize("lang", ["fi", "sv", "en"])
async def test_dashboard(web, door, apply, feed, lang):
    door.enter("manager")
    await apply(feed.add(ALL))
    text = await page(web, "/indicators/programmes/kainuu", lang)
    assert f'lang="{lang}"' in text
    assert 'href="/indicators/programmes/kainuu/figures/EECO01"' in text
    assert "hx-sse:connect" in text
    assert text.count("<svg") > 8
    fragment = await page(web, "/indicators/programmes/kainuu", lang, **{"hx-request": "true"})
    assert "<html" not in fragment


async def test_steering_sees_numbers_without_lists(web, door, apply, feed):
    door.enter("steering")
    await apply(feed.add(person()))
    text = await page(web, "/indicators/programmes/kainuu")
    assert '/figures/EECO01"' not in text
    assert "K-p1" not in text
    await page(web, "/indicators/programmes/kainuu/figures/EECO01", status=403)


async def test_a_past_day_is_kept_in_every_link(web, door, apply, feed):
    door.enter("manager")
    await apply(feed.add(person()))
    text = await page(web, "/indicators/programmes/kainuu?as_of=2026-02-10&then=yes")
    assert "figures/EECO01?as_of=2026-02-10&amp;then=yes" in text
    assert "hx-sse:connect" not in text
    text = await page(web, "/indicators/programmes/kainuu/figures/EECO01?as_of=2026-02-10")
    assert "K-p1" in text
    await page(web, "/indicators/programmes/kainuu?as_of=2026-02-31")
    await page(web, "/indicators/programmes/kainuu?as_of=")
    await page(web, "/indicators/programmes/kainuu?as_of=9999-12-31&then=yes")


@pytest.mark.parametrize("lang", ["fi", "sv", "en"])
@pytest.mark.parametrize("code", ["EECO01", "EECO06", "EECO10", "EECR01", "EECR02", "SESSIONS", "ATTENDANCES"])
async def test_member_pages(web, door, apply, feed, lang, code):
    door.enter("coordinator")
    await apply(feed.add(ALL))
    await apply(feed.add(numbered(opened("p8", "w8"), started("p8", "w8", education=None))))
    text = await page(web, f"/indicators/programmes/kainuu/figures/{code}", lang)
    assert code in text
    assert code in await page(web, f"/indicators/programmes/kainuu/figures/{code}?left_out=yes", lang)


async def test_pages_are_woken_by_their_programme(app, apply, feed):
    woken = app.state.live.stream(None, ["figures", "figures-kainuu"])
    told = asyncio.ensure_future(anext(woken))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        n = 0
        while not told.done() or told.result()[1] == "reset":  # until the hub listens
            if told.done():
                told = asyncio.ensure_future(anext(woken))
            n += 1
            await apply(feed.add(numbered(received(f"p{n}", f"r{n}"))))
            await asyncio.sleep(0.1)
    assert told.result()[1] == "figures-kainuu"
    await woken.aclose()


async def test_home_opens_the_only_programme(web, door):
    door.enter("manager")
    answer = await web.get("/indicators/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/indicators/programmes/kainuu")
    door.enter("manager", programmes=())
    assert "No programme" in await page(web, "/indicators/")
