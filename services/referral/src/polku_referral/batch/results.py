"""What became of a batch's rows: as it is told to the sender, and as a job keeps it, without anything personal."""

from typing import Any

from polku_referral.batch.batches import Outcome
from polku_runtime.mongo import Document
from polku_web.i18n import Message
from polku_web.problems import Error, Problem


def stored(one: Outcome) -> Document:
    """Without the receipt, which is sealed in the referral, and with texts still to be said."""
    said: Document = {
        name: value
        for name in ("row", "external_id", "status", "http_status", "id", "case_code")
        if (value := getattr(one, name)) is not None
    }
    if one.problem is not None:
        problem = one.problem
        said["problem"] = {
            "status": problem.status,
            "code": problem.code,
            "detail": _said(problem.detail),
            "errors": [[error.pointer, error.code, _said(error.message), error.where] for error in problem.errors],
            "more": problem.more,
        }
    return said


def restored(said: Document) -> Outcome:
    told: Any = said.get("problem")
    problem = None
    if told is not None:
        errors = [Error(pointer, code, Message(*message), where) for pointer, code, message, where in told["errors"]]
        problem = Problem(told["status"], told["code"], Message(*told["detail"]), errors=errors, more=told["more"])
    names = ("row", "status", "http_status", "id", "case_code")
    return Outcome(external_id=said.get("external_id"), problem=problem, **{n: said[n] for n in names if n in said})


def _said(message: Message | str) -> list[Any]:
    found = message if isinstance(message, Message) else Message(message)
    return [found.msgid, dict(found.values)]
