"""What a sender does with a referral afterwards, while a test client plays the project's part."""

from collections.abc import Iterator

import pytest

from polku_client import Client, PolkuProblem

from ..serving import Serving
from .material import referral


@pytest.fixture
def sender(polku: Serving) -> Iterator[Client]:
    """A client that tries out its integration."""
    with polku.client(polku.machine(test=True)) as client:
        yield client


def test_a_question_and_its_answer(sender: Client) -> None:
    pushed = sender.push(referral())
    assert set(pushed.commands) == {"withdraw", "correct-contact"}
    asked = sender.sandbox(pushed, "ask", text="Onko kyyti järjestetty?")
    assert (asked.state, "answer" in asked.commands) == ("question", True)
    assert asked.sender_due
    answered = sender.answer(asked, "Kyllä, linja-autolla.")
    assert (answered.state, answered.version) == ("received", 3)
    read = sender.get(pushed.id)
    assert [(one.kind, one.party, one.text) for one in read.messages] == [
        ("question", "project", "Onko kyyti järjestetty?"),
        ("answer", "sender", "Kyllä, linja-autolla."),
    ]


def test_withdrawing_before_and_after_acceptance(sender: Client) -> None:
    pushed = sender.push(referral())
    assert sender.withdraw(pushed, "sent-in-error").state == "withdrawn"
    assert sender.withdraw(pushed, "sent-in-error").version == 2  # the same again changes nothing
    accepted = sender.sandbox(sender.push(referral()).id, "accept")
    assert accepted.state == "accepted"
    with pytest.raises(PolkuProblem) as refused:
        sender.withdraw(accepted, "sent-in-error")
    assert refused.value.code == "wrong-state"
    asked = sender.request_withdrawal(accepted.id, "situation-changed")
    assert sender.sandbox(asked, "confirm-withdrawal").state == "withdrawn"


def test_correcting_how_the_person_is_reached(sender: Client) -> None:
    pushed = sender.push(referral())
    corrected = sender.correct_contact(pushed, phone="050 000 4321", email=None)
    assert [step.kind for step in corrected.history] == ["received", "contact-corrected"]
    with pytest.raises(PolkuProblem) as refused:
        sender.correct_contact(corrected, phone="puhelin")
    assert refused.value.errors[0].pointer == "/phone"


def test_a_version_that_is_old_loses_and_shows_the_present_one(sender: Client) -> None:
    pushed = sender.push(referral())
    accepted = sender.sandbox(pushed, "accept")
    with pytest.raises(PolkuProblem) as refused:
        sender.withdraw(pushed, "sent-in-error")
    assert refused.value.code == "lost-race"
    assert refused.value.present
    assert (refused.value.present["state"], refused.value.present["version"]) == ("accepted", accepted.version)
