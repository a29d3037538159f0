"""The pages as a person without JavaScript meets them."""

import re

import pytest

from polku_pathway.forms import FORMS
from polku_pathway.model.pathway import Pathway
from polku_runtime.testing import Clock
from polku_web.testing import SignIn, fields_of, text_of

from .conftest import COACH, ELSEWHERE, MANAGER, OTHER, Hear
from .material import COORDINATOR, accepted

ENTRY = {
    "started_on": "2026-01-12",
    "employment_status": "unemployed",
    "since": "2024-03-01",
    "education": "3",
    "gender": "woman",
    "municipality": "205",
}


async def test_an_empty_case_load_says_what_will_fill_it(sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    answer = await me.get("/pathway/", follow_redirects=True)
    assert answer.status_code == 200
    assert "One opens by itself when you accept a referral" in answer.text
    assert "No pathway fits" in (await me.get("/pathway/pathways?overdue=true")).text
    assert "no open pathways yet" in (await (await sign_in(MANAGER)).get("/pathway/pathways")).text


async def test_the_case_load_marks_what_is_late_and_what_is_missing(
    pathway: Pathway, hear: Hear, sign_in: SignIn
) -> None:
    await hear(accepted("referral-2", "person-2", case_code="K-BBBBB", coordinator_id=OTHER))
    me = await sign_in(COORDINATOR)
    page = (await me.get("/pathway/pathways")).text
    assert "K-7F3K2" in page
    assert "K-BBBBB" not in page
    assert "Overdue" in text_of(page.split("<tbody>")[1])
    await me.submit(f"/pathway/pathways/{pathway.id}/start", changes={**ENTRY, "education": None})
    row = text_of((await me.get("/pathway/pathways?incomplete=true")).text.split("<tbody>")[1])
    assert "Missing" in row
    assert "education" in row
    assert "K-BBBBB" in (await (await sign_in(MANAGER)).get("/pathway/pathways")).text


async def test_the_list_goes_on_by_cursor(hear: Hear, sign_in: SignIn) -> None:
    await hear(*(accepted(f"referral-{n}", f"person-{n}", case_code=f"K-{n}AAAA") for n in range(5)))
    me, seen, address = await sign_in(COORDINATOR), set(), "/pathway/pathways?limit=2"
    for _ in range(3):
        page = (await me.get(address)).text
        seen |= set(re.findall(r"K-\dAAAA", page.split("<tbody>")[1]))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == 5
    assert address == ""


async def test_htmx_gets_the_part_that_it_asked_for(pathway: Pathway, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    part = (await me.get("/pathway/pathways?case=K-7", headers={"hx-request": "true"})).text
    assert "<html" not in part
    assert 'hx-get="/pathway/pathways/rows?case=K-7"' in part
    rows = (await me.get("/pathway/pathways/rows")).text
    assert rows.count("K-7F3K2") == 1
    assert "<html" not in (await me.get(f"/pathway/pathways/{pathway.id}/now")).text


async def test_the_whole_way_by_plain_forms(pathway: Pathway, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathway/pathways/{pathway.id}"

    async def go(form: str, **fields: str | None) -> str:
        answer = await me.submit(f"{at}/{form}", changes=fields)
        assert answer.status_code == 303, text_of(answer.text)
        assert answer.headers["location"] == f"{at}?done={form}"
        return text_of((await me.get(answer.headers["location"])).text)

    shown = await go("start", started_on="12.1.2026", gender=None)
    assert "Participation has started." in shown
    assert "Missing: employment status, education, gender" in shown
    shown = await go("amend-entry", **ENTRY, correction_reason="new-information")
    assert "Entry data are incomplete" not in shown
    assert "Highest completed education: not stated → Upper secondary education" in shown
    assert "In activity" in await go("stage", to_stage="activity", on="2026-02-01")
    shown = await go("end", ended_on="2026-02-20", reason="work", employment_status="employed", status_on="")
    assert "Participation ended: Moved to work" in shown
    shown = await go("amend-exit", in_education="yes", correction_reason="mistake")
    assert "In education: no → yes" in shown
    shown = await go("reopen", on="2026-03-01", reason="returned")
    assert "Recorded 2 Mar 2026 10:00 by you" in shown
    assert "by Polku, automatically" in shown


async def test_a_wrong_form_comes_back_with_what_was_typed_and_a_summary(pathway: Pathway, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathway/pathways/{pathway.id}/start"
    answer = await me.submit(at, changes={**ENTRY, "started_on": "2026-03-03", "since": "2026-03-04"})
    assert answer.status_code == 422
    page = answer.text
    assert "There are 2 things to correct" in page
    assert '<a href="#f-started_on">The day is in the future.</a>' in page
    assert page.index('href="#f-started_on"') < page.index("<h1>")
    assert 'aria-describedby="h-started_on e-started_on" aria-invalid="true"' in page
    assert fields_of(page, at)["since"] == "2026-03-04"
    assert fields_of(page, at)["education"] == "3"
    answer = await me.submit(at, changes={"started_on": ""})
    assert "There is 1 thing to correct" in answer.text


async def test_the_slower_of_two_sees_what_happened_and_keeps_what_was_typed(pathway: Pathway, sign_in: SignIn) -> None:
    me, manager, at = await sign_in(COORDINATOR), await sign_in(MANAGER), f"/pathway/pathways/{pathway.id}"
    await me.submit(f"{at}/start", changes=ENTRY)
    old = (await me.get(f"{at}/stage")).text
    await manager.submit(f"{at}/stage", changes={"to_stage": "activity", "on": "2026-02-01"})
    sent = {**fields_of(old, f"{at}/stage"), "to_stage": "moving-on", "on": "2026-02-10"}
    answer = await me.http.post(f"{at}/stage", data=sent)
    assert answer.status_code == 409
    shown = text_of(answer.text)
    assert "The pathway has changed meanwhile" in shown
    assert "The stage changed: Initial assessment → In activity" in shown
    assert "by colleague 0003" in shown
    assert "Participation started" not in shown
    assert fields_of(answer.text, f"{at}/stage")["to_stage"] == "moving-on"
    assert fields_of(answer.text, f"{at}/stage")["version"] == "4"
    again = await me.http.post(f"{at}/stage", data={**fields_of(answer.text, f"{at}/stage")})
    assert again.status_code == 303


async def test_a_form_that_the_state_has_overtaken_leads_back(pathway: Pathway, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathway/pathways/{pathway.id}"
    old = (await me.get(f"{at}/start")).text
    await me.submit(f"{at}/start", changes=ENTRY)
    twice = await me.http.post(f"{at}/start", data={**fields_of(old, f"{at}/start"), **ENTRY})
    assert twice.status_code == 409
    assert "Participation started" in text_of(twice.text)
    assert (await me.get(f"{at}/start")).status_code == 409
    assert (await me.get(f"{at}/reopen")).status_code == 409
    assert (await me.get(f"{at}/nothing")).status_code == 404


async def test_nothing_changed_is_said_on_the_form(pathway: Pathway, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathway/pathways/{pathway.id}"
    await me.submit(f"{at}/start", changes=ENTRY)
    answer = await me.submit(f"{at}/amend-entry", changes={"correction_reason": "mistake"})
    assert (answer.status_code, "Nothing was changed." in answer.text) == (422, True)


async def test_strangers_get_nothing(pathway: Pathway, sign_in: SignIn) -> None:
    at = f"/pathway/pathways/{pathway.id}"
    nobody = await sign_in(None)
    for address in ("/pathway/pathways", at, f"{at}/start"):
        answer = await nobody.get(address, headers={"accept": "text/html"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/referral/sign-in?next=")
    for stranger in (OTHER, ELSEWHERE):
        person = await sign_in(stranger)
        assert [(await person.get(a)).status_code for a in (at, f"{at}/start", f"{at}/now")] == [404] * 3
    assert (await (await sign_in(COACH)).get("/pathway/pathways")).status_code == 403
    me = await sign_in(COORDINATOR)
    assert (await me.http.post(f"{at}/start", data={**ENTRY, "version": "1"})).status_code == 403


async def test_another_coordinators_case_opens_by_a_reason_that_stays(
    pathway: Pathway, sign_in: SignIn, clock: Clock
) -> None:
    other, at = await sign_in(OTHER), f"/pathway/pathways/{pathway.id}"
    page = await other.get("/pathway/pathways")
    assert "Open another coordinator’s case" in page.text

    async def ask(**fields: str) -> tuple[int, str]:
        data = {"csrf": other.csrf, "case_code": "", "reason": "", "note": "", **fields}
        answer = await other.http.post("/pathway/exceptions", data=data)
        return answer.status_code, answer.headers.get("location", text_of(answer.text))

    assert (await ask())[0] == 422
    status, said = await ask(case_code="K-99999", reason="urgent")
    assert (status, "no other coordinator’s case with this code" in said) == (422, True)
    status, said = await ask(case_code="K-7F3K2", reason="other")
    assert (status, "This is required." in said) == (422, True)
    status, location = await ask(case_code="K-7F3K2", reason="substitute")
    assert (status, location) == (303, f"{at}?done=exception")
    shown = text_of((await other.get(location)).text)
    assert "This is another coordinator’s case." in shown
    shown = text_of((await (await sign_in(COORDINATOR)).get(at)).text)
    assert "colleague 0002 – I stand in for the responsible coordinator" in shown
    clock.advance(hours=4)
    assert (await (await sign_in(OTHER)).get(at)).status_code == 404


async def test_earlier_pathways_of_the_same_person_are_linked(pathway: Pathway, hear: Hear, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathway/pathways/{pathway.id}"
    answer = await me.submit(f"{at}/end", changes={"ended_on": "2026-02-01", "reason": "no-show"})
    assert answer.status_code == 303, text_of(answer.text)
    await hear(accepted("referral-2"))
    assert "Other pathways of the same person" in text_of((await me.get(at)).text)


@pytest.mark.parametrize(
    ("language", "words"),
    [("fi", ("Odottaa aloitusta", "Aloita osallistuminen")), ("sv", ("Väntar på start", "Inled deltagandet"))],
)
async def test_pages_speak_the_readers_language(
    pathway: Pathway, sign_in: SignIn, language: str, words: tuple[str, ...]
) -> None:
    me = await sign_in(COORDINATOR, language)
    page = (await me.get(f"/pathway/pathways/{pathway.id}")).text
    assert f'<html lang="{language}">' in page
    # Comparing short lists: pytest would spend minutes on explaining what is missing in a whole page.
    assert [word for word in words if word not in page] == []


async def test_every_form_renders_in_every_language(pathway: Pathway, sign_in: SignIn) -> None:
    at = f"/pathway/pathways/{pathway.id}"
    me = await sign_in(COORDINATOR)
    await me.submit(f"{at}/start", changes=ENTRY)
    for step in ("open", "closed"):
        if step == "closed":
            await me.submit(f"{at}/end", changes={"ended_on": "2026-02-20", "reason": "other"})
        for language in ("fi", "sv", "en"):
            reader = await sign_in(COORDINATOR, language)
            for name in FORMS:
                assert (await reader.get(f"{at}/{name}")).status_code in (200, 409)


async def test_no_name_or_identity_code_is_asked_or_kept(pathway: Pathway, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    page = (await me.get(f"/pathway/pathways/{pathway.id}")).text
    assert 'data-person="person-1"' in page
    assert "identity" not in page.lower()
