"""The form of a plan: what it starts with, what is wrong in it, who can be chosen."""

import re

from polku_activities.repository import Sessions
from polku_web.testing import SignIn, fields_of, text_of

from .conftest import Hear
from .material import COACH, closed, opened
from .pages import NEW, PLAN, plan


async def test_an_empty_form_starts_with_what_is_usual(people: None, sign_in: SignIn) -> None:
    form = fields_of((await (await sign_in(COACH)).get(NEW)).text, NEW)
    assert (form["day"], form["clock"], form["minutes"], form["group"]) == ("2026-03-03", "09:00", "120", "yes")
    assert (form["activity"], form["pathway_ids"]) == ("", [])


async def test_a_wrong_plan_comes_back_with_what_was_typed_and_a_summary(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    answer = await me.submit(NEW, changes={**PLAN, "activity": "", "day": "soon", "clock": "9", "minutes": "x", "group": "no", "place": "5.3.2026"})  # fmt: skip
    page = answer.text
    assert answer.status_code == 422
    assert "There are 4 things to correct" in page
    for name, message in (
        ("activity", "This is required."),
        ("day", "Give the day, for example 5.3.2026."),
        ("clock", "Give the time, for example 9.30."),
        ("minutes", "Give the minutes as a number: a session takes from 5 to 720."),
    ):
        assert f'<a href="#f-{name}">{message}</a>' in page
        assert f'id="f-{name}"' in page
        assert f'id="e-{name}"' in page
    assert page.index("things to correct") < page.index("<h1>")
    form = fields_of(page, NEW)
    assert (form["day"], form["clock"], form["group"], form["place"]) == ("soon", "9", "no", "5.3.2026")
    assert form["pathway_ids"] == ["pathway-1", "pathway-2"]

    answer = await me.send(NEW, {**form, "activity": "training", "day": "", "clock": "", "minutes": "60"})
    assert text_of(answer.text).count("This is required.") == 4
    answer = await me.send(NEW, {**form, "activity": "training", "day": "5.3.2026", "clock": "9:30", "minutes": "60"})
    assert '<a href="#f-participants">An individual session has one participant.</a>' in answer.text
    answer = await me.send(NEW, {**form, "activity": "training", "day": "5.3.1926", "clock": "9:30", "minutes": "60"})
    assert '<a href="#f-day">Give the day, for example 5.3.2026.</a>' in answer.text
    answer = await me.send(NEW, {**form, "activity": "training", "day": "5.3.2026", "clock": "24:30", "minutes": "4"})
    assert {"f-clock", "f-minutes"} == set(re.findall(r'<a href="#(f-\w+)">', answer.text))


async def test_planning_and_changing(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me, place="5.3.2026")
    page = (await me.get(f"{at}?done=plan")).text
    shown = text_of(page)
    assert "The session was planned." in shown
    assert "Work activity, 2 Mar 2026 09:00–11:00 Planned" in shown
    assert "Place 5.3.2026" in shown
    form = fields_of((await me.get(f"{at}/change")).text, f"{at}/change")
    assert (form["day"], form["clock"], form["pathway_ids"]) == ("2026-03-02", "09:00", ["pathway-1", "pathway-2"])
    answer = await me.send(f"{at}/change", {**form, "clock": "13:15", "pathway_ids": ["pathway-3"], "group": "no"})
    assert answer.headers["location"] == f"{at}?done=change"
    shown = text_of((await me.get(answer.headers["location"])).text)
    assert "The plan was changed." in shown
    assert "13:15–15:15" in shown
    assert "one person" in shown
    answer = await me.submit(f"{at}/change")
    assert (answer.status_code, "Nothing was changed." in answer.text) == (422, True)


async def test_a_participant_whose_pathway_closed_can_be_kept(people: None, hear: Hear, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = await plan(me)
    await hear((closed(1), 2))
    page = (await me.get(f"{at}/change")).text
    assert fields_of(page, f"{at}/change")["pathway_ids"] == ["pathway-1", "pathway-2"]
    assert (await me.submit(f"{at}/change", changes={"minutes": "60"})).status_code == 303


async def test_somebody_who_is_elsewhere_is_pointed_out(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    await plan(me)
    at = await plan(me, clock="10.30")
    assert "In another session at the same time: K-00001, K-00002" in text_of((await me.get(at)).text)


async def test_who_works_in_two_programmes_chooses_first(hear: Hear, sign_in: SignIn, sessions: Sessions) -> None:
    await hear((opened(1), 1), (opened(2, "lapland"), 1))
    await sessions.database["staff"].update_one({"_id": COACH}, {"$set": {"programmes": ["lapland", "kainuu"]}})
    me = await sign_in(COACH)
    page = (await me.get(NEW)).text
    assert "K-00001" in page
    assert "K-00002" not in page
    assert f'href="{NEW}?programme=lapland"' in page
    page = (await me.get(f"{NEW}?programme=lapland")).text
    assert fields_of(page, NEW)["programme"] == "lapland"
    assert "K-00002" in page
    assert fields_of((await me.get(f"{NEW}?programme=nowhere")).text, NEW)["programme"] == "kainuu"
