"""The committed contracts are fresh, compatible and free of personal data; a planted break turns the check red."""

import copy
import re

import pytest
from jsonschema import Draft202012Validator
from pydantic import create_model

from polku_events import EVENT_TYPES, PRODUCERS, EventData, asyncapi, files
from polku_events.__main__ import problems
from polku_events.base import Code
from polku_events.compatibility import breaks
from polku_events.listeners import LISTENERS
from polku_events.pathway import PathwayOpened

KINDS = list(EVENT_TYPES.values())
PERSONAL = re.compile(r"name|identity|birth|phone|email|address|text|note|hetu|ssn")
PUBLIC_NAMES = {("polku.organisation.changed.v1", "name")}


def test_what_is_committed_is_what_the_models_say() -> None:
    assert list(problems()) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_field_could_hold_personal_data(kind: type[EventData]) -> None:
    for field in kind.model_fields:
        assert not PERSONAL.search(field) or (kind.TYPE, field) in PUBLIC_NAMES


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_type_is_named_by_rule_and_the_subject_is_a_field(kind: type[EventData]) -> None:
    assert re.fullmatch(r"polku\.[a-z-]+\.[a-z-]+\.v[1-9]", kind.TYPE)
    assert kind.SUBJECT in kind.model_fields


def test_every_listener_listens_to_somebody_who_speaks() -> None:
    assert {service for heard in LISTENERS.values() for service in heard} <= PRODUCERS.keys()


OLD = files.schema(PathwayOpened)


def edited(**changes: object) -> dict[str, object]:
    """The schema of PathwayOpened with an optional text field `remark`, and the field `programme` changed."""
    schema = copy.deepcopy(OLD)
    schema["properties"]["programme"] |= changes
    return schema


def without(name: str, where: str) -> dict[str, object]:
    schema = copy.deepcopy(OLD)
    if where == "properties":
        del schema["properties"][name]
    schema["required"] = [field for field in schema["required"] if field != name]
    return schema


def with_field(*, required: bool) -> dict[str, object]:
    schema = copy.deepcopy(OLD)
    schema["properties"]["remark"] = {"type": "string"}
    if required:
        schema["required"].append("remark")
    return schema


@pytest.mark.parametrize(
    ("new", "is_fine"),
    [
        (OLD, True),
        (with_field(required=False), True),
        (edited(description="Said better."), True),
        (with_field(required=True), False),
        (without("programme", "properties"), False),
        (without("programme", "required"), False),
        (edited(type="integer"), False),
        (edited(maxLength=5), False),
        (edited(pattern="^k"), False),
        (edited(enum=["kainuu"]), False),
        ({**copy.deepcopy(OLD), "additionalProperties": False}, False),
    ],
    ids=[
        "same", "new optional field", "text", "new required field", "removed field", "required to optional",
        "type", "tighter limit", "pattern", "enum", "closed",
    ],
)  # fmt: skip
def test_the_table_of_changes(new: dict[str, object], is_fine: bool) -> None:
    assert (breaks(OLD, new) == []) is is_fine


def test_a_change_deep_inside_is_found() -> None:
    kind = EVENT_TYPES["polku.participation.corrected.v1"]
    old = files.schema(kind)
    new = copy.deepcopy(old)
    new["$defs"]["Entry"]["properties"]["education"]["anyOf"][0]["maximum"] = 5
    [said] = breaks(old, new)
    assert said.startswith("entry.education")


def test_a_planted_incompatible_model_turns_the_check_red(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = create_model("PathwayOpened", __base__=PathwayOpened, wing=(Code, ...))
    monkeypatch.setitem(dict(EVENT_TYPES), PathwayOpened.TYPE, planted)
    monkeypatch.setattr(files, "kinds", lambda: iter([planted]))
    said = "\n".join(problems())
    assert "wing: a new field must be optional" in said
    assert "the committed schema is not the model's" in said


@pytest.mark.parametrize("sample", list(files.samples()), ids=lambda sample: sample.name)
def test_samples_fit_the_committed_schema_of_their_version(sample: files.Sample) -> None:
    import json

    schemas = dict(files.released(EVENT_TYPES[sample.event_type]))
    validator = Draft202012Validator(schemas[sample.minor], format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(json.loads(sample.value))


def test_the_asyncapi_document_has_headers_keys_and_groups() -> None:
    document = asyncapi.document()
    message = document["components"]["messages"]["referral.accepted.v1"]
    assert message["bindings"]["kafka"]["key"]["description"] == "The person."
    assert "ce_id" in document["components"]["schemas"]["Headers"]["required"]
    group = document["operations"]["indicators.hears.activities"]["bindings"]["kafka"]["groupId"]
    assert group["const"] == "polku.indicators"
    assert document["channels"]["pathway"]["address"] == "polku.pathway.events"
