"""Schemathesis over a running app: what it was asked, where the walk along the document's links went, what failed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import schemathesis
import uvicorn
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

BUSY = "503"
"""The database did not answer in time: documented, and no fault of the service on a machine with much to do."""

Change = Callable[[Any, Any], Any]


@dataclass
class Told:
    """phases: how each ended. cases: requests by phase. walked: how often each link was gone.

    failures: by operation and check, what was wrong and how to see it again.
    """

    phases: dict[str, Status] = field(default_factory=dict)
    cases: Counter[str] = field(default_factory=Counter)
    walked: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def served(app: FastAPI, port: int) -> AsyncIterator[str]:
    """The origin of an app that is served on a port: as a stranger meets it, with all that uvicorn does before.

    The app's lifespan is the caller's.
    """
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


async def ask(document: Mapping[str, Any], config: Mapping[str, Any], change: Change | None = None) -> Told:
    """The whole run, in a thread of its own: the app answers in the caller's loop meanwhile.

    change: of each request before it is sent, told Schemathesis' context and case.
    """
    schema = schemathesis.openapi.from_dict(dict(document), config=SchemathesisConfig.from_dict(dict(config)))
    if change is not None:
        schema.hook("map_case")(change)
    return await asyncio.to_thread(_run, schema)


def _run(schema: Any) -> Told:
    told = Told()
    for event in from_schema(schema).execute():
        if isinstance(event, events.PhaseFinished):
            told.phases[event.phase.name.value] = event.status
        elif isinstance(event, events.ScenarioFinished):
            told.cases[event.phase.value] += len(event.recorder.cases)
            _look(event.recorder, told)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            told.failures[f"{getattr(event, 'label', '')}: error"] = repr(getattr(event, "value", event))[:600]
    return told


def name_of(case: Any) -> str:
    """The operation that a request is for."""
    return str(case.operation.definition.raw["operationId"])


def _look(recorder: ScenarioRecorder, told: Told) -> None:
    for node in recorder.cases.values():
        if node.transition is not None and node.is_transition_applied:
            told.walked[name_of(recorder.cases[node.transition.parent_id].value), name_of(node.value)] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status == Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                answer = recorder.find_response(case_id=case_id)
                label = recorder.cases[case_id].value.operation.label
                status = answer.status_code if answer is not None else "-"
                told.failures.setdefault(
                    f"{label}: {check.name}: {failure.title} ({status})",
                    f"{failure.message[:300]}\n{check.failure_info.code_sample[:400]}",
                )
