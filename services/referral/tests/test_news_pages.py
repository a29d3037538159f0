"""What a page of one referral tells of things that others have done to it."""

import re
from typing import Any

import pytest

from .conftest import Sender, SignIn, form_of
from .material import COORDINATOR, ELSEWHERE, MANAGER, PAGES, REFERRER

WITHDRAW = {"reason": "sent-in-error", "text": ""}
NOTICE = re.compile(r'<div class="notice alert".*?</div>', re.DOTALL)


@pytest.fixture
async def page(sender: Sender) -> str:
    """The address of a referral that waits for an answer."""
    return f"{PAGES}/{(await sender.sent())['id']}"


def notice(text: str) -> str:
    """What the page's warning says, on one line and without its tags."""
    found = NOTICE.search(text)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


async def test_who_lost_a_race_hears_what_became_of_it_and_by_whom(page: str, sign_in: SignIn) -> None:
    slow, fast = await sign_in(COORDINATOR), await sign_in(MANAGER)
    form = form_of((await slow.get(page)).text, f"{page}/accept")
    await fast.submit(page, f"{page}/decline", {"reason": "no-capacity"})
    told = notice((await slow.http.post(f"{page}/accept", data=form)).text)
    assert told.endswith(": Declined, Veera Vetäjä")
    assert "Received" not in told  # that was before


async def test_an_open_page_hears_of_a_withdrawal(page: str, sender: Sender, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    text = (await me.get(page)).text
    assert f'hx-get="{page}/news?version=1"' in text
    assert f"topic=referral-{page.rsplit('/', 1)[1]}" in text
    assert (await me.get(f"{page}/news?version=1")).text.strip() == ""
    assert (await sender.command(page.rsplit("/", 1)[1], "withdraw", WITHDRAW, 1)).status_code == 200
    told = notice((await me.get(f"{page}/news?version=1")).text)
    assert ": Withdrawn, Sender" in told
    assert "Received, " not in (await me.get(page)).text  # who else
    assert told.endswith("Show the present state")
    assert (await me.get(f"{page}/news?version=2")).text.strip() == ""
    assert (await (await sign_in(ELSEWHERE)).get(f"{page}/news?version=1")).status_code == 404


async def test_a_sender_does_not_read_who_of_the_project_it_was(page: str, sign_in: SignIn) -> None:
    await (await sign_in(MANAGER)).submit(page, f"{page}/decline", {"reason": "no-capacity"})
    assert "Declined, Veera Vetäjä" in (await (await sign_in(COORDINATOR)).get(page)).text
    sender = await sign_in(REFERRER)
    for address in (page, f"{page}/news?version=1"):
        text = (await sender.get(address)).text
        assert ": Declined" in text
        assert "Veera" not in text


async def test_what_was_done_is_not_said_when_more_has_happened(page: str, sender: Sender, sign_in: SignIn) -> None:
    me: Any = await sign_in(COORDINATOR)
    done = (await me.submit(page, f"{page}/accept", {})).headers["location"]
    assert "The referral was accepted" in (await me.get(done)).text
    assert (await sender.command(page.rsplit("/", 1)[1], "request-withdrawal", WITHDRAW, 2)).status_code == 200
    assert "The referral was accepted" not in (await me.get(done)).text


async def test_a_form_sent_after_the_session_says_that_it_was_not_saved(page: str, sign_in: SignIn) -> None:
    stranger = await sign_in(None)
    said = "what you filled in was not saved"
    answer = await stranger.http.post(f"{page}/decline", data={"reason": "no-capacity"})
    assert said in (await stranger.get(answer.headers["location"])).text
    assert said not in (await stranger.get((await stranger.get(page)).headers["location"])).text
