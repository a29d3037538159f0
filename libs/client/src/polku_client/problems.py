"""What can go wrong between a sender and Polku, each with what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx


class PolkuError(Exception):
    """Whatever this package raises on its own."""


class NotAnswered(PolkuError):
    """No answer came within the patience. What was sent may have arrived or not: send the same again."""


class Misconfigured(PolkuError):
    """The key, the address or the profile cannot be used; says which."""


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong. pointer: JSON pointer (RFC 6901) into the body, or the name of a parameter."""

    pointer: str
    code: str
    message: str = ""


@dataclass
class PolkuProblem(PolkuError):
    """An answer that says no (RFC 9457). What was sent is never in it.

    code: of Polku's catalogue, `/problems/<code>` explains it; an OAuth error's code for a refused token.
    present: the referral as it stands, when somebody was faster. instance: for a call to support.
    """

    status: int
    code: str
    title: str = ""
    detail: str = ""
    type: str = ""
    instance: str = ""
    errors: tuple[FieldError, ...] = ()
    present: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        wrong = "; ".join(f"{error.pointer} {error.code}" for error in self.errors)
        return f"{self.status} {self.code}: {self.detail or self.title}" + (f" ({wrong})" if wrong else "")


def problem_of(answer: httpx.Response) -> PolkuProblem:
    """The problem in an answer; a bare one when something in between answered."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    return read_problem(told if isinstance(told, dict) else {}, answer.status_code)


def read_problem(told: Mapping[str, Any], status: int = 0) -> PolkuProblem:
    """A problem from its JSON, also one of a row in a batch."""
    known = {"type", "title", "status", "detail", "instance", "code", "errors", "present"}
    status = int(told.get("status") or status)
    errors = told.get("errors")
    return PolkuProblem(
        status=status,
        code=str(told.get("code") or told.get("error") or f"http-{status}"),
        title=str(told.get("title") or ""),
        detail=str(told.get("detail") or told.get("error_description") or ""),
        type=str(told.get("type") or ""),
        instance=str(told.get("instance") or ""),
        errors=tuple(_errors(errors)) if isinstance(errors, list) else (),
        present=told.get("present"),
        more={name: value for name, value in told.items() if name not in known},
    )


def _errors(told: list[Any]) -> list[FieldError]:
    return [
        FieldError(str(one.get("pointer", "")), str(one.get("code", "")), str(one.get("message", "")))
        for one in told
        if isinstance(one, dict)
    ]
