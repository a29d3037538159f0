"""What Polku answers, as small typed values. Fields that are not known here are in `said`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self


@dataclass(frozen=True)
class Step:
    """One line of a referral's history."""

    kind: str
    at: datetime


@dataclass(frozen=True)
class Referral:
    """Where a referral stands.

    commands: what its sender may do now. is_new: False when the very same had been sent before.
    sent: the bytes that were sent; keep them with the receipt, which is about exactly these.
    """

    id: str
    external_id: str | None
    case_code: str
    state: str
    version: int
    received_at: datetime
    answer_due: date
    history: tuple[Step, ...]
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
            history=tuple(Step(step["kind"], datetime.fromisoformat(step["at"])) for step in said.get("history", ())),
            commands=tuple(said.get("commands", ())),
            receipt=said.get("receipt"),
            said=said,
            is_new=is_new,
            sent=sent,
        )


@dataclass(frozen=True)
class Checked:
    """A dry run that found nothing wrong. exists: the very same was sent before."""

    exists: bool
