"""The pages as a browser without JavaScript meets them."""

import re
from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_runtime.testing import Clock

from .conftest import Sender, SignIn, form_of, said
from .material import API, COACH, COORDINATOR, COUNTY, ELSEWHERE, MANAGER, ONNI, PAGES, REFERRER, leaks

ROWS = re.compile(r'<tr id="r-([0-9a-f-]+)">')


@pytest.fixture
async def page(sender: Sender) -> str:
    """The address of a referral that waits for an answer."""
    return f"{PAGES}/{(await sender.sent())['id']}"


async def test_the_inbox_has_what_is_due_first(sender: Sender, sign_in: SignIn) -> None:
    ids = [
        (await sender.sent(f"A-{n}", urgency=urgency))["id"] for n, urgency in enumerate(("normal", "urgent", "normal"))
    ]
    me = await sign_in(COORDINATOR)
    home = await me.get("/referral/")
    assert home.headers["location"] == f"{PAGES}?state=received"
    inbox = await me.get(home.headers["location"])
    assert inbox.status_code == 200
    assert ROWS.findall(inbox.text) == [ids[1], ids[0], ids[2]]
    assert "Urgent" in inbox.text
    assert "Waits for an answer (3)" in inbox.text
    assert "data-person=" in inbox.text  # names come by the reader's own rights
    assert leaks(inbox.text) == []


async def test_the_inbox_says_what_is_late(page: str, sign_in: SignIn, clock: Clock) -> None:
    assert page
    assert "Late" not in (await (await sign_in(COORDINATOR)).get(PAGES)).text
    clock.advance(days=15)
    assert "Late" in (await (await sign_in(COORDINATOR)).get(PAGES)).text


async def test_the_inbox_by_pages(sender: Sender, sign_in: SignIn) -> None:
    ids = [(await sender.sent(f"A-{n}"))["id"] for n in range(5)]
    me, address, found = await sign_in(COORDINATOR), f"{PAGES}?state=received&limit=2", []
    for _ in range(3):
        text = (await me.get(address)).text
        found += ROWS.findall(text)
        following = re.search(r'href="([^"]+)" rel="next"', text)
        address = following[1].replace("&amp;", "&") + "&limit=2" if following else ""
    assert (found, address) == (ids, "")


async def test_empty_states(sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    assert "Nothing waits for an answer" in (await me.get(f"{PAGES}?state=received")).text
    assert "No referral is here yet" in (await me.get(PAGES)).text
    assert (await me.get(f"{PAGES}?state=nonsense")).status_code == 200


async def test_the_rows_alone_for_the_live_part(page: str, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    rows = await me.get(f"{PAGES}/rows?state=received", headers={"hx-request": "true"})
    assert page.rsplit("/", 1)[1] in rows.text
    assert "<html" not in rows.text
    whole = await me.get(f"{PAGES}?state=received")
    assert f'hx-get="{PAGES}/rows?state=received"' in whole.text


async def test_a_referral_with_all_that_was_told(page: str, sign_in: SignIn) -> None:
    text = (await (await sign_in(COORDINATOR)).get(page)).text
    for told in (
        "Aino-Kanarialintu",
        "1 May 1994",
        "+358 40 5550199",
        "tahtoo-töihin",
        "Kaisa Kirjaaja",
        "since 1 Mar 2024",
        "Consent",
    ):
        assert told in text, told
    assert re.search(r"<details[^>]*><summary>Show</summary>010594Y9032</details>", text)
    assert "<title>Referral K-" in text.replace("\n", "")  # no name in the title: it stays in the history
    assert "non-disclosure" not in text


async def test_a_protected_address_is_said_first(sender: Sender, sign_in: SignIn) -> None:
    referral = await sender.sent(person__protected_address=True)
    text = (await (await sign_in(COORDINATOR)).get(f"{PAGES}/{referral['id']}")).text
    assert "non-disclosure" in text
    assert text.index("non-disclosure") < text.index("+358 40 5550199")


async def test_what_a_later_sender_tells_of_a_known_person(sender: Sender, sign_in: SignIn, enrol: Any) -> None:
    """Another number and name are shown with that referral; a non-disclosure order holds for all of them."""
    first = await sender.sent("A-1")
    later = await (await enrol(COUNTY)).sent(
        "B-1",
        person__family_name="Uusinimi",
        person__phone="+358 40 5550111",
        person__email=...,
        person__protected_address=True,
    )
    me = await sign_in(COORDINATOR)
    shown = (await me.get(f"{PAGES}/{later['id']}")).text
    assert "Name in this referral" in shown
    assert "Aino-Kanarialintu Uusinimi" in shown
    assert "+358 40 5550111" in shown
    assert "aino.kanaria@example.fi" in shown  # not told again: what was known before
    before = (await me.get(f"{PAGES}/{first['id']}")).text
    assert "Name in this referral" not in before
    assert "+358 40 5550199" in before
    for text in (shown, before):
        assert "non-disclosure order" in text
    told = (await me.get(f"{API}/referrals/{first['id']}/person")).json()
    assert told["contact"]["protected_address"] is True


async def test_the_own_case_load(sender: Sender, sign_in: SignIn) -> None:
    ids = [(await sender.sent(f"A-{n}"))["id"] for n in range(3)]
    me, boss = await sign_in(COORDINATOR), await sign_in(MANAGER)
    assert (await me.command(f"/referrals/{ids[1]}/accept", {}, 1)).status_code == 200
    assert (await me.command(f"/referrals/{ids[2]}/decline", {"reason": "no-capacity"}, 1)).status_code == 200
    own = (await me.get(f"{PAGES}?whose=own")).text
    assert ROWS.findall(own) == [ids[1]]
    assert "Accepted (1)" in own
    assert "state=received&amp;whose=own" in own or "whose=own&amp;state=received" in own
    assert "whose=own" in re.findall(r'(?:data-|hx-)[a-z-]+="([^"]*/rows[^"]*)"', own)[0]  # stays so when it is live
    assert "None of these is in your case-load" in (await me.get(f"{PAGES}?whose=own&state=received")).text
    assert len(ROWS.findall((await me.get(PAGES)).text)) == 3
    assert ROWS.findall((await boss.get(f"{PAGES}?whose=own")).text) == []
    assert [row["id"] for row in (await me.get(f"{API}/referrals?whose=own")).json()["items"]] == [ids[1]]
    assert (await me.get(f"{API}/referrals?whose=everybody")).status_code == 422
    theirs = await sign_in(REFERRER)
    assert len(ROWS.findall((await theirs.get(f"{PAGES}?whose=own")).text)) == 3  # a sender has no case-load


async def test_other_referrals_of_the_same_person(sender: Sender, sign_in: SignIn) -> None:
    first, second = await sender.sent("A-1"), await sender.sent("A-2", route="self")
    other = await sender.sent("B-1", person__identity_code=ONNI)
    text = (await (await sign_in(COORDINATOR)).get(f"{PAGES}/{first['id']}")).text
    assert f'href="{PAGES}/{second["id"]}"' in text
    assert other["id"] not in text


async def test_accepting(page: str, sign_in: SignIn, desk: Desk) -> None:
    me = await sign_in(COORDINATOR)
    form = form_of((await me.get(page)).text, f"{page}/accept")
    assert (form["coordinator_id"], form["accepted_on"], form["version"]) == (COORDINATOR, "2026-03-02", "1")
    answer = await me.submit(page, f"{page}/accept", {"accepted_on": "1.3.2026"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{page}?done=accept")
    done = (await me.get(answer.headers["location"])).text
    assert "The referral was accepted" in done
    assert "1 Mar 2026" in done
    assert "/accept" not in done
    assert (await said(desk))[-1] == "polku.referral.accepted.v1"


async def test_a_manager_chooses_a_coordinator(page: str, sign_in: SignIn) -> None:
    manager = await sign_in(MANAGER)
    wrong = await manager.submit(page, f"{page}/accept")
    assert wrong.status_code == 422
    assert "Choose a coordinator" in wrong.text
    assert (await manager.submit(page, f"{page}/accept", {"coordinator_id": COORDINATOR})).status_code == 303


async def test_declining(page: str, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    answer = await me.submit(page, f"{page}/decline", {"reason": "outside-area", "text": "Ks. naapurin hanke."})
    assert answer.headers["location"] == f"{page}?done=decline"
    done = (await me.get(answer.headers["location"])).text
    assert "Lives elsewhere: Ks. naapurin hanke." in done
    assert "The referral was declined" in done
    seen = (await (await sign_in(REFERRER)).get(page)).text
    assert "Lives elsewhere: Ks. naapurin hanke." in seen


@pytest.mark.parametrize(
    ("command", "typed", "field", "says"),
    [
        ("accept", {"accepted_on": "3.3.2026"}, "accepted_on", "in the future"),
        ("accept", {"accepted_on": "2026-02-01"}, "accepted_on", "before the referral"),
        ("accept", {"accepted_on": "eilen"}, "accepted_on", "Give the day"),
        ("decline", {}, "reason", "required"),
        ("decline", {"reason": "other"}, "text", "required"),
        ("decline", {"reason": "<b>x</b>"}, "reason", "not valid"),
        ("decline", {"reason": "no-capacity", "text": "x" * 1001}, "text", "not valid"),
    ],
)
async def test_forms_filled_in_wrongly(
    page: str, sign_in: SignIn, command: str, typed: dict[str, str], field: str, says: str
) -> None:
    me = await sign_in(COORDINATOR)
    answer = await me.submit(page, f"{page}/{command}", typed)
    assert answer.status_code == 422
    assert 'class="summary" role="alert"' in answer.text
    assert f'href="#f-{field}"' in answer.text
    assert re.search(rf'id="f-{field}"[^>]*aria-invalid="true"', answer.text)
    error = re.search(rf'id="e-{field}">(.*?)</p>', answer.text, re.DOTALL)
    assert error
    assert says in error[1]
    assert "<b>x</b>" not in answer.text
    for value in typed.values():  # what was typed stays
        assert value in answer.text or "<" in value
    assert (await me.get(page)).text.count("Waits for an answer") >= 1


async def test_who_was_late_sees_what_is_now(page: str, sign_in: SignIn) -> None:
    slow, fast = await sign_in(COORDINATOR), await sign_in(MANAGER)
    form = form_of((await slow.get(page)).text, f"{page}/accept")
    assert (await fast.submit(page, f"{page}/decline", {"reason": "no-capacity"})).status_code == 303
    late = await slow.http.post(f"{page}/accept", data=form)
    assert late.status_code == 409
    assert "The referral has changed meanwhile" in late.text
    assert "No capacity" in late.text
    again = await slow.http.post(f"{page}/accept", data=form | {"version": "2"})
    assert again.status_code == 409
    assert "The referral has changed meanwhile" in again.text


@pytest.mark.parametrize("version", ["", "x", "²", "1" * 30, "-1", "1.0"])
async def test_versions_that_are_none(page: str, sign_in: SignIn, version: str) -> None:
    answer = await (await sign_in(COORDINATOR)).submit(page, f"{page}/accept", {"version": version})
    assert answer.status_code == 409


async def test_what_a_form_does_not_have_is_refused(page: str, sign_in: SignIn) -> None:
    answer = await (await sign_in(COORDINATOR)).submit(page, f"{page}/accept", {"state": "concluded"})
    assert answer.status_code == 422


async def test_forms_without_their_token(page: str, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    form = form_of((await me.get(page)).text, f"{page}/accept")
    assert (await me.http.post(f"{page}/accept", data=form | {"csrf": "0" * 64})).status_code == 403
    assert (
        await me.http.post(f"{page}/accept", data=form, headers={"sec-fetch-site": "cross-site"})
    ).status_code == 403


async def test_a_referrer_sees_the_own_organisation_s(page: str, sign_in: SignIn) -> None:
    person = await sign_in(REFERRER)
    inbox = await person.get(PAGES)
    assert "Our referrals" in inbox.text
    assert "TE-2026-000123" in inbox.text
    shown = await person.get(page)
    assert shown.status_code == 200
    assert leaks(shown.text) == []
    assert "/accept" not in shown.text
    assert (await person.http.post(f"{page}/accept", data={"csrf": person.csrf})).status_code == 403


async def test_others_see_nothing(page: str, sign_in: SignIn) -> None:
    assert (await (await sign_in(COACH)).get(PAGES)).status_code == 403
    elsewhere = await sign_in(ELSEWHERE)
    assert (await elsewhere.get(page)).status_code == 404
    assert page.rsplit("/", 1)[1] not in (await elsewhere.get(PAGES)).text
    assert (await (await sign_in(None)).get(page)).headers["location"].startswith("/referral/sign-in?next=")


async def test_what_a_sender_wrote_is_text(sender: Sender, sign_in: SignIn) -> None:
    evil = "<script>alert(1)</script>"
    referral = await sender.sent(person__given_names=evil, reason__text=evil, sender__unit=evil, ground__text=evil)
    page = await (await sign_in(COORDINATOR)).get(f"{PAGES}/{referral['id']}")
    assert evil not in page.text
    assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 4
    assert "script-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("address", [PAGES, "referral", "/referral/sign-in"])
async def test_pages_run_without_scripts_in_them(page: str, sign_in: SignIn, address: str) -> None:
    me = await sign_in(None if "sign-in" in address else COORDINATOR)
    text = (await me.get(page if address == "referral" else address)).text
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert not re.search(r"<[^>]+ (on[a-z]+|style)=", text)
    assert text.count("<h1") == 1
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for named in re.findall(r'aria-labelledby="([^"]+)"|aria-describedby="([^"]+)"| for="([^"]+)"', text):
        for name in " ".join(named).split():
            assert name in ids, name


@pytest.mark.parametrize(
    ("language", "says"),
    [("fi", ("Saapuneet", "Vastattava viimeistään", "Hyväksy")), ("sv", ("Inkorg", "Svar senast", "Godkänn"))],
)
async def test_in_the_reader_s_language(page: str, sign_in: SignIn, language: str, says: tuple[str, ...]) -> None:
    me = await sign_in(COORDINATOR, language)
    text = (await me.get(PAGES)).text + (await me.get(page)).text
    assert f'<html lang="{language}"' in text
    for english in ("Answer due", "Sender’s id", "In the sender", "Accept<", "Decline<", "To whose case-load"):
        assert english not in text, english
    assert all(word in text for word in says)
