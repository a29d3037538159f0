"""The list of sessions: counts, filters, pages by cursor, and the part that is asked for alone."""

import re

from polku_runtime.testing import Clock
from polku_web.testing import SignIn, fields_of, text_of

from .material import COACH, COORDINATOR, ELSEWHERE, OTHER_COACH
from .pages import LIST, NEW, PLAN, hold, plan


async def test_an_empty_list_says_so_and_leads_on(sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    answer = await me.get("/activities/", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, LIST)
    assert "No session fits these filters." in answer.text
    assert f'href="{LIST}?period=all"' in answer.text
    page = (await me.get(NEW)).text
    assert "Nobody has an open pathway in the programme yet." in page


async def test_the_list_links_counts_and_marks_what_is_missing(people: None, sign_in: SignIn, clock: Clock) -> None:
    me = await sign_in(COACH)
    past = await plan(me, clock="7.00", place="Kirjasto")
    held = await plan(me, clock="8.00", activity="training")
    await hold(me, held, **{"attendance-pathway-1": "absent-unexcused"})
    await plan(me, day="2026-03-05")
    gone = await plan(me, day="2026-03-06")
    await me.submit(gone, f"{gone}/cancel", changes={"reason": "weather"})
    clock.advance(hours=2)
    me = await sign_in(COACH)

    page = (await me.get(LIST)).text
    shown = text_of(page)
    assert "Planned (2) Held (1) Cancelled (1) All (4)" in shown
    assert "2 Mar 2026 07:00–09:00 Work activity Kirjasto 2 you Planned Attendance missing" in shown
    assert "2 Mar 2026 08:00–10:00 Training – 1 of 2 there you Held" in shown
    assert shown.count("Attendance missing") == 1
    assert f'<th scope="row"><a id="l-{past.rpartition("/")[2]}" href="{past}">' in page

    filtered = (await me.get(f"{LIST}?state=held&period=today")).text
    assert held in filtered
    assert past not in filtered
    assert "Planned (1) Held (1) Cancelled (0) All (2)" in text_of(filtered)
    assert f'href="{LIST}?state=held&amp;period=today" aria-current="true"' in filtered
    assert "No session fits" in (await me.get(f"{LIST}?activity=work-practice")).text


async def test_a_coordinator_tells_own_sessions_from_colleagues(people: None, sign_in: SignIn) -> None:
    await plan(await sign_in(COACH))
    me = await sign_in(COORDINATOR)
    assert "colleague 0001" in text_of((await me.get(LIST)).text)
    assert "No session fits" in (await me.get(f"{LIST}?whose=own")).text
    page = (await me.get(f"{LIST}?whose={OTHER_COACH}")).text
    assert f'<option value="{OTHER_COACH}" selected>' in page
    assert "No session fits" in page
    assert "colleague 0001" in text_of((await me.get(f"{LIST}?whose={COACH}")).text)
    assert OTHER_COACH not in (await (await sign_in(COACH)).get(LIST)).text


async def test_a_coordinator_gives_sessions_to_coaches_by_the_form(people: None, sign_in: SignIn) -> None:
    me, coach = await sign_in(COORDINATOR), await sign_in(COACH)
    assert fields_of((await me.get(NEW)).text, NEW)["coach_id"] == COORDINATOR
    assert "coach_id" not in fields_of((await coach.get(NEW)).text, NEW)
    answer = await me.submit(NEW, changes={**PLAN, "coach_id": ELSEWHERE})
    assert (answer.status_code, '<a href="#f-coach_id">' in answer.text) == (422, True)
    at = await plan(me, coach_id=COACH)
    assert (await coach.get(at)).status_code == 200
    answer = await me.submit(f"{at}/change", f"{at}/change", changes={"coach_id": OTHER_COACH})
    assert answer.headers["location"] == f"{at}?done=change"
    assert (await coach.get(at)).status_code == 404


async def test_the_list_goes_on_by_cursor_and_keeps_its_filters(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    addresses = {await plan(me, day=f"2026-03-0{number}") for number in range(2, 7)}
    seen: set[str] = set()
    address, pages = f"{LIST}?limit=2&state=planned", 0
    while address:
        page = (await me.get(address)).text
        seen |= set(re.findall(rf'<th scope="row"><a [^>]*href="({LIST}/[^"]+)"', page))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        address = following[1].replace("&amp;", "&") if following else ""
        assert "state=planned" in address or not address
        pages += 1
    assert (seen, pages) == (addresses, 3)
    assert "Back to the start" in page


async def test_htmx_gets_the_part_that_it_asked_for(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    part = (await me.get(f"{LIST}?state=planned", headers={"hx-request": "true"})).text
    assert "<html" not in part
    assert f'hx-get="{LIST}/rows?state=planned"' in part
    assert at in (await me.get(f"{LIST}/rows")).text
