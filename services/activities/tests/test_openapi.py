"""The OpenAPI document: whole, and the running service agrees with its examples."""

import json
from typing import Any

from fastapi import FastAPI

from polku_web.docs import description
from polku_web.testing import SignIn
from polku_web.testing.documents import by_id, example_of, faults_of

from .material import COACH

SAME = ("programme", "activity", "state", "starts_at", "ends_at", "group", "coach_id", "place", "held_on", "minutes",
        "attended", "cancel_reason", "overlapping", "commands")  # fmt: skip


def test_the_document_is_whole(app: FastAPI) -> None:
    assert faults_of(app, "activities") == []


async def test_the_examples_are_what_the_service_says(app: FastAPI, people: None, sign_in: SignIn) -> None:
    operations = by_id(description(app, "activities", "polku_activities"))
    me = await sign_in(COACH)
    made = await me.command("/sessions", sent(operations["planSession"]))
    check(made, operations["planSession"], 201)
    at, version = f"/sessions/{made.json()['id']}", 1
    steps = {"changeSession": "change", "holdSession": "hold", "correctAttendance": "correct"}
    for name, command in steps.items():
        answer = await me.command(f"{at}/{command}", sent(operations[name]), version)
        version = answer.json()["version"]
        # The example of holding and what follows is of the plan as it was first.
        check(answer, operations[name], 200, but="" if command == "change" else "place")
    gone = (await me.command("/sessions", sent(operations["planSession"]))).json()
    cancelled = await me.command(f"/sessions/{gone['id']}/cancel", sent(operations["cancelSession"]), 1)
    check(cancelled, operations["cancelSession"], 200, but="overlapping")


def sent(operation: dict[str, Any]) -> Any:
    """The example of the request, about the pathways that there are."""
    text = json.dumps(example_of(operation))
    return json.loads(text.replace("0197aaaa-0000-7000-8000-0000000000f", "pathway-"))


def check(answer: Any, operation: dict[str, Any], status: int, but: str = "") -> None:
    assert answer.status_code == status, answer.text
    shown, example = answer.json(), example_of(operation, status)
    assert shown.keys() == example.keys()
    assert {name: shown[name] for name in SAME if name != but} == {
        name: example[name] for name in SAME if name != but
    }, operation["operationId"]
    marks = [[{k: one[k] for k in ("attendance", "minutes", "reason")} for one in of["participants"]] for of in (shown, example)]  # fmt: skip
    assert marks[0] == marks[1]
