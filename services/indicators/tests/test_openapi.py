"""The OpenAPI document: whole, and the running service is what it says, link by link."""

import pytest
from schemathesis.engine import Status

from polku_indicators.model.definitions import GENDERS
from polku_web.docs import description
from polku_web.testing.conformance import BUSY, ask, served
from polku_web.testing.documents import at, by_id, faults_of

from .stories import ALL

WALKED = {
    ("listProgrammes", "getFigures"),
    ("listProgrammes", "getFiguresAsCsv"),
    ("getFigures", "listMembers"),
}
"""Links that every run must have gone: without them the walk has shown nothing."""


@pytest.fixture
def document(app):
    return description(app, "indicators", "polku_indicators")


def test_the_document_is_whole(app):
    assert faults_of(app, "indicators") == []


def test_the_example_of_the_sheet_has_its_columns(document):
    sheet = by_id(document)["getFiguresAsCsv"]["responses"]["200"]["content"]["text/csv"]["example"]
    heads = ["code", "label", "value", "target", "forecast", *GENDERS, "unit", "as_of", "rule_version"]
    assert sheet.splitlines()[0].split(";") == heads


def test_machines_hear_figures_and_never_who_is_behind_them(document):
    ways = {name: operation["security"] for name, operation in by_id(document).items()}
    assert ways["getFigures"] == [{"clientCredentials": ["figures:read"]}, {"session": []}]
    assert ways["listMembers"] == [{"session": []}]
    assert at(document, "#/components/securitySchemes/clientCredentials/flows/clientCredentials/scopes/figures:read")


async def test_the_service_is_what_its_document_says(app, door, apply, feed, document, unused_tcp_port):
    await apply(feed.add(ALL))
    door.enter("manager")
    async with served(app, unused_tcp_port) as origin:
        told = await ask(
            document,
            {
                "seed": 20261124,
                "base-url": origin,
                "workers": 1,
                "generation": {"max-examples": 2, "database": "none", "deterministic": True},
                "continue-on-failure": True,
                # The sheet takes the same parameters through the same code as the figures.
                "operations": [{"include-operation-id": "getFiguresAsCsv", "phases": {"coverage": {"enabled": False}}}],
                "phases": {
                    "coverage": {"unexpected-methods": ["DELETE"]},
                    "stateful": {
                        "inference": {"algorithms": []},  # the document's own links are what is to be shown
                        "max-steps": 4,
                        "generation": {"mode": "positive", "max-examples": 5},
                    },
                },
                "checks": {
                    "not_a_server_error": {"expected-statuses": ["2xx", "4xx", BUSY]},
                    # A programme or a figure that nobody knows is 404, a cursor that we did not make is 422.
                    "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "422", BUSY]},
                    # The test's door lets everybody in.
                    "ignored_auth": {"enabled": False},
                },
            },
        )
    assert not told.failures, "\n".join(f"{name}\n{more}" for name, more in told.failures.items())
    for phase in ("examples", "coverage", "fuzzing", "stateful"):
        assert (told.phases[phase], told.cases[phase] > 0) == (Status.SUCCESS, True), phase
    assert WALKED - told.walked.keys() == set()
