"""The committed contracts are fresh, whole and free of personal data; planted breaks turn the check red."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from jsonschema import Draft202012Validator

from polku_events import EVENT_TYPES, PRODUCERS, EventData, asyncapi, files
from polku_events.__main__ import problems, write
from polku_events.base import Code
from polku_events.listeners import LISTENERS
from polku_events.pathway import PathwayOpened

KINDS = list(EVENT_TYPES.values())
PERSONAL = re.compile(r"name|identity|birth|phone|email|address|text|note|remark|hetu|ssn")
PUBLIC_NAMES = {("polku.organisation.changed.v1", "name")}


def test_what_is_committed_is_what_the_models_say() -> None:
    assert list(problems()) == []


def fields(schema: object) -> Iterator[str]:
    """The names of all fields, also of those inside others."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from fields(inner)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_field_could_hold_personal_data(kind: type[EventData]) -> None:
    for field in fields(files.schema(kind)):
        assert not PERSONAL.search(field) or (kind.TYPE, field) in PUBLIC_NAMES


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_event_has_room_for_free_text(kind: type[EventData]) -> None:
    def strings(node: object) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if node.get("type") == "string":
                yield node
            for inner in node.values():
                yield from strings(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from strings(inner)

    longest = 200 if (kind.TYPE, "name") in PUBLIC_NAMES else 64
    for string in strings(files.schema(kind)):
        assert "pattern" in string or "format" in string or string["maxLength"] <= longest


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_type_is_named_by_rule_and_the_subject_is_a_field(kind: type[EventData]) -> None:
    assert re.fullmatch(r"polku\.[a-z-]+\.[a-z-]+\.v[1-9]", kind.TYPE)
    assert kind.SUBJECT in kind.model_fields
    assert kind.model_config.get("frozen")
    assert kind.model_config.get("extra") == "ignore"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_events_about_a_person_are_keyed_by_the_person(kind: type[EventData]) -> None:
    [first, *_] = [sample for sample in files.samples() if sample.event_type == kind.TYPE]
    data = json.loads(first.value)
    read = kind.model_validate_json(first.value, strict=True)
    assert read.partition_key == data.get("person_id", data[kind.SUBJECT])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_newest_version_has_a_sample_with_everything_and_one_with_the_least(kind: type[EventData]) -> None:
    written = [
        {name for name, value in json.loads(sample.value).items() if value is not None}
        for sample in files.samples()
        if (sample.event_type, sample.minor) == (kind.TYPE, kind.MINOR)
    ]
    assert set(kind.model_fields) in written
    assert {name for name, field in kind.model_fields.items() if field.is_required()} in written


@pytest.mark.parametrize("sample", list(files.samples()), ids=lambda sample: sample.name)
def test_samples_fit_the_committed_schema_of_their_version(sample: files.Sample) -> None:
    schemas = dict(files.released(EVENT_TYPES[sample.event_type]))
    validator = Draft202012Validator(schemas[sample.minor], format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(json.loads(sample.value))


# -- the check itself: each plants something in a copy of the contracts ---------------------------------------


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the committed contracts, which `write` and `check` work on."""
    here = tmp_path / "libs" / "events"
    for folder in ("schemas", "samples"):
        shutil.copytree(files.contracts() / folder, here / folder)
    (tmp_path / "docs").mkdir()
    shutil.copy(files.contracts().parent.parent / "docs" / "asyncapi.json", tmp_path / "docs")
    monkeypatch.setattr(files, "contracts", lambda: here)
    assert list(problems()) == []
    return here


class Planted(PathwayOpened):
    """A careless change of a released event."""

    wing: Code


class Raised(PathwayOpened):
    """A further minor, by the rules."""

    MINOR: ClassVar[int] = 1
    wing: Code | None = None


class RaisedAndBroken(PathwayOpened):
    """A further minor that older readers and events do not bear."""

    MINOR: ClassVar[int] = 1
    wing: Code


Plant = Callable[[type[EventData]], None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    return lambda kind: monkeypatch.setitem(cast("dict[str, type[EventData]]", EVENT_TYPES), kind.TYPE, kind)


def said() -> str:
    return "\n".join(problems())


def test_an_incompatible_change_turns_the_check_red_and_cannot_be_written_away(copied: Path, plant: Plant) -> None:
    plant(Planted)
    assert "pathway.opened.v1 against minor 0: wing: a new field must be optional" in said()
    assert "sample pathway.opened.v1/0/full: invalid-data" in said()
    [refusal] = write()
    assert refusal.startswith("pathway.opened.v1: minor 0 is committed and its fields stay as they are")
    assert "pathway.opened.v1 against minor 0: wing: a new field must be optional" in said()


def test_a_further_minor_is_written_beside_the_old_one_and_wants_its_sample(copied: Path, plant: Plant) -> None:
    plant(Raised)
    assert "pathway.opened.v1: minors 0 to 1 should be committed, not [0]" in said()
    assert write() == []
    assert said() == "pathway.opened.v1 minor 1: no sample"
    old = json.loads((copied / "samples/pathway.opened.v1/0/full.json").read_text("utf-8"))
    old["headers"]["ce_dataschema"] = "urn:polku:schema:pathway.opened:1.1"
    old["data"]["wing"] = "east"
    new = copied / "samples/pathway.opened.v1/1/full.json"
    new.parent.mkdir()
    new.write_text(json.dumps(old), "utf-8")
    assert said() == ""


def test_a_further_minor_must_be_compatible_with_every_older_one(copied: Path, plant: Plant) -> None:
    plant(RaisedAndBroken)
    assert write() == []
    assert "pathway.opened.v1 against minor 0: wing: a new field must be optional" in said()


def test_text_may_be_written_anew(copied: Path) -> None:
    path = copied / "schemas/pathway.opened.v1/0.json"
    path.write_text(path.read_text("utf-8").replace("An accepted referral has become", "Said otherwise:"), "utf-8")
    assert said() == "pathway.opened.v1: the committed schema is not the model's (python -m polku_events write)"
    assert write() == []
    assert said() == ""


def test_a_released_type_cannot_vanish(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(cast("dict[str, type[EventData]]", EVENT_TYPES), PathwayOpened.TYPE)
    assert "pathway.opened.v1: released, and no model reads it any more" in said()


@pytest.mark.parametrize("header", ["ce_subject", "ce_partitionkey", "ce_source", "ce_dataschema"])
def test_a_sample_whose_headers_say_something_else_is_found(copied: Path, header: str) -> None:
    path = copied / "samples/pathway.opened.v1/0/full.json"
    sample = json.loads(path.read_text("utf-8"))
    sample["headers"][header] = "urn:polku:schema:pathway.opened:1.3" if header == "ce_dataschema" else "else"
    path.write_text(json.dumps(sample), "utf-8")
    assert said() == "sample pathway.opened.v1/0/full: its headers do not fit its data or its place"


def test_a_stale_asyncapi_document_is_found(copied: Path) -> None:
    (copied.parent.parent / "docs" / "asyncapi.json").write_text("{}", "utf-8")
    assert said() == "asyncapi.json is not fresh (python -m polku_events write)"


# -- AsyncAPI --------------------------------------------------------------------------------------------------


def test_every_listener_listens_to_somebody_who_speaks() -> None:
    assert {service for heard in LISTENERS.values() for service in heard} <= PRODUCERS.keys()


def test_the_asyncapi_document_has_headers_keys_and_groups() -> None:
    document = asyncapi.document()
    messages = document["components"]["messages"]
    assert {message["name"] for message in messages.values()} == EVENT_TYPES.keys()
    assert messages["referral.accepted.v1"]["bindings"]["kafka"]["key"]["description"] == "The person."
    assert messages["session.held.v1"]["bindings"]["kafka"]["key"]["description"] == "The aggregate (session_id)."
    group = document["operations"]["indicators.hears.activities"]["bindings"]["kafka"]["groupId"]
    assert group["const"] == "polku.indicators"
    assert document["channels"]["pathway"]["address"] == "polku.pathway.events"


def test_the_documented_headers_are_those_that_are_written() -> None:
    headers = asyncapi.document()["components"]["schemas"]["Headers"]
    for sample in files.samples():
        Draft202012Validator(headers).validate({name: (value or b"").decode() for name, value in sample.headers})
    written = {name for sample in files.samples() for name, _ in sample.headers}
    assert headers["properties"].keys() == written


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi.document()

    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (value for key, value in node.items() if key == "$ref")
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    for reference in references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
