"""What Polku answers, as small typed values. Fields that are not known here are in `said`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Self


@dataclass(frozen=True)
class Step:
    """One line of a referral's history. party: `sender`, `project`, or `polku` for what happened by itself."""

    kind: str
    at: datetime
    party: str


@dataclass(frozen=True)
class Message:
    """What one side wrote to the other; kind: `question`, `answer`, or the command that it went with."""

    kind: str
    at: datetime
    party: str
    text: str


@dataclass(frozen=True)
class Referral:
    """Where a referral stands.

    commands: what its sender may do now. answer_due: the day by which the project answers; sender_due: by which the
    sender answers a question. messages: only of one that was asked for by its id. is_new: False when the very same
    had been sent before. sent: the bytes that were sent; keep them with the receipt, which is about exactly these.
    """

    id: str
    external_id: str | None
    case_code: str
    state: str
    version: int
    received_at: datetime
    answer_due: date
    sender_due: date | None
    accepted_on: date | None
    starts_on: date | None
    review_on: date | None
    forwarded_to: str | None
    reason: str | None
    outcome: str | None
    concluded_on: date | None
    history: tuple[Step, ...]
    messages: tuple[Message, ...]
    commands: tuple[str, ...]
    receipt: str | None
    said: Mapping[str, Any]
    is_new: bool = False
    sent: bytes | None = None

    @classmethod
    def read(cls, said: Mapping[str, Any], *, is_new: bool = False, sent: bytes | None = None) -> Self:
        return cls(
            id=said["id"],
            external_id=said.get("external_id"),
            case_code=said["case_code"],
            state=said["state"],
            version=said["version"],
            received_at=datetime.fromisoformat(said["received_at"]),
            answer_due=date.fromisoformat(said["answer_due"]),
            sender_due=_day(said, "sender_due"),
            accepted_on=_day(said, "accepted_on"),
            starts_on=_day(said, "starts_on"),
            review_on=_day(said, "review_on"),
            forwarded_to=said.get("forwarded_to"),
            reason=said.get("reason"),
            outcome=said.get("outcome"),
            concluded_on=_day(said, "concluded_on"),
            history=tuple(_step(step) for step in said.get("history") or ()),
            messages=tuple(_message(message) for message in said.get("messages") or ()),
            commands=tuple(said.get("commands") or ()),
            receipt=said.get("receipt"),
            said=said,
            is_new=is_new,
            sent=sent,
        )


def _day(said: Mapping[str, Any], name: str) -> date | None:
    return date.fromisoformat(said[name]) if said.get(name) else None


def _step(said: Mapping[str, Any]) -> Step:
    return Step(said["kind"], datetime.fromisoformat(said["at"]), said.get("party", ""))


def _message(said: Mapping[str, Any]) -> Message:
    return Message(said["kind"], datetime.fromisoformat(said["at"]), said.get("party", ""), said["text"])


@dataclass(frozen=True)
class Checked:
    """A dry run that found nothing wrong. exists: the very same was sent before. unmapped: field → a code of the
    sender that nobody knows yet; the referral would be taken in with it.
    """

    exists: bool
    unmapped: Mapping[str, str] = field(default_factory=dict)
