"""The OpenAPI document: whole, and the running service agrees with its examples."""

from typing import Any

from fastapi import FastAPI

from polku_pathway.model.pathway import Pathway
from polku_web.docs import description
from polku_web.testing import SignIn
from polku_web.testing.documents import by_id, example_of, faults_of

from .material import COORDINATOR

OF_THIS_RUN = {
    "id",
    "version",
    "timeline",
    "person_id",
    "organisation_id",
    "referrals",
    "stage_since",
    "due_on",
    "overdue",
}
"""Ids, and what follows from the day on which the examples are tried."""


def test_the_document_is_whole(app: FastAPI) -> None:
    assert faults_of(app, "pathway") == []


async def test_the_examples_are_what_the_service_says(app: FastAPI, pathway: Pathway, sign_in: SignIn) -> None:
    operations = by_id(description(app, "pathway", "polku_pathway"))
    me, version = await sign_in(COORDINATOR), 1
    steps = {"startParticipation": "start", "changeStage": "stage", "endPathway": "end", "reopenPathway": "reopen"}
    for name, command in steps.items():
        sent = example_of(operations[name])
        answer = await me.command(f"/pathways/{pathway.id}/{command}", sent, version)
        assert answer.status_code == 200, answer.text
        shown, version = answer.json(), answer.json()["version"]
        example = example_of(operations[name], 200)
        assert told(shown) == told(example), name
        assert shown["timeline"][0].keys() == example["timeline"][0].keys()
        assert shown["timeline"][0]["detail"] == example["timeline"][0]["detail"]


def told(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in OF_THIS_RUN}
