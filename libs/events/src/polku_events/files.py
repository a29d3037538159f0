"""The committed contracts: a schema for every released version of every event, and samples of each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from polku_events.base import EventData
from polku_events.codec import Headers
from polku_events.registry import EVENT_TYPES, schema_of


def contracts() -> Path:
    """The folder of the checkout that holds `schemas/` and `samples/`."""
    return Path(str(files("polku_events"))).parent.parent


def short(event_type: str) -> str:
    """`polku.referral.accepted.v1` → `referral.accepted.v1`, the folder's name."""
    return event_type.removeprefix("polku.")


def schema(kind: type[EventData]) -> dict[str, Any]:
    """The JSON Schema of an event's data, with the URN that `ce_dataschema` carries."""
    return {"$id": schema_of(kind), **kind.model_json_schema()}


def schema_file(kind: type[EventData]) -> Path:
    return contracts() / "schemas" / short(kind.TYPE) / f"{kind.MINOR}.json"


def released(kind: type[EventData]) -> list[tuple[int, dict[str, Any]]]:
    """Every committed version of one type, oldest first."""
    found = schema_file(kind).parent.glob("*.json")
    return sorted((int(path.stem), json.loads(path.read_text("utf-8"))) for path in found)


def released_types() -> set[str]:
    """Every type that has a committed schema."""
    return {f"polku.{path.parent.name}" for path in (contracts() / "schemas").glob("*/*.json")}


@dataclass(frozen=True)
class Sample:
    """One record as Kafka would keep it."""

    name: str
    event_type: str
    minor: int
    headers: Headers
    value: bytes


def samples() -> Iterator[Sample]:
    """Every committed sample of every released version."""
    for path in sorted((contracts() / "samples").glob("*/*/*.json")):
        written = json.loads(path.read_text("utf-8"))
        yield Sample(
            name=f"{path.parent.parent.name}/{path.parent.name}/{path.stem}",
            event_type=f"polku.{path.parent.parent.name}",
            minor=int(path.parent.name),
            headers=[(name, value.encode()) for name, value in written["headers"].items()],
            value=json.dumps(written["data"], ensure_ascii=False).encode(),
        )


def kinds() -> Iterator[type[EventData]]:
    return iter(EVENT_TYPES.values())


def as_text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=False) + "\n"
