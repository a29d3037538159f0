"""The AsyncAPI 3.0 document, for reading: channels with their keys, messages with their headers, groups."""

from typing import Any

from polku_events.base import EventData
from polku_events.files import schema, short
from polku_events.listeners import LISTENERS
from polku_events.registry import PRODUCERS

_HEADERS: dict[str, dict[str, str]] = {
    "ce_specversion": {"const": "1.0"},
    "ce_id": {"description": "UUIDv7; the same in every copy of the event."},
    "ce_type": {"description": "The event's type with its major version."},
    "ce_source": {"description": "/polku/<service>"},
    "ce_subject": {"description": "Id of the aggregate."},
    "ce_time": {"description": "When it happened, RFC 3339, UTC.", "format": "date-time"},
    "ce_dataschema": {"description": "URN of the schema, with the minor version."},
    "ce_aggregateversion": {
        "description": "Number of the event within its aggregate, from 1 without gaps.",
        "pattern": "^[1-9][0-9]*$",
    },
    "ce_correlationid": {"description": "Ties together everything that one request started."},
    "ce_causationid": {"description": "The event that led to this one."},
    "ce_partitionkey": {"description": "Equals the record key."},
    "content-type": {"const": "application/json"},
    "traceparent": {"description": "W3C trace context."},
    "ce_test": {"description": "There, and true, when it was made for trying out an integration: nobody counts it."},
}
_OPTIONAL_HEADERS = {"ce_causationid", "traceparent", "ce_test"}


def document() -> dict[str, Any]:
    """The whole document as plain data."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for service, kinds in PRODUCERS.items():
        channels[service] = {
            "address": f"polku.{service}.events",
            "messages": {_name(kind): {"$ref": f"#/components/messages/{_name(kind)}"} for kind in kinds},
            "bindings": {"kafka": {"partitions": 12, "bindingVersion": "0.5.0"}},
        }
        operations[f"{service}.says"] = {"action": "send", "channel": {"$ref": f"#/channels/{service}"}}
    for listener, heard in LISTENERS.items():
        for service in heard:
            operations[f"{listener}.hears.{service}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{service}"},
                "bindings": {
                    "kafka": {"groupId": {"type": "string", "const": f"polku.{listener}"}, "bindingVersion": "0.5.0"}
                },
            }
    messages = {_name(kind): _message(kind) for kinds in PRODUCERS.values() for kind in kinds}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Polku events",
            "version": "1",
            "description": "CloudEvents 1.0 in Kafka binary mode. No personal data: ids, codes, days, small numbers.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {
                "Headers": {
                    "type": "object",
                    "properties": {name: {"type": "string", **said} for name, said in _HEADERS.items()},
                    "required": [name for name in _HEADERS if name not in _OPTIONAL_HEADERS],
                }
            },
        },
    }


def _name(kind: type[EventData]) -> str:
    return short(kind.TYPE)


def _message(kind: type[EventData]) -> dict[str, Any]:
    about = "The person." if "person_id" in kind.model_fields else f"The aggregate ({kind.SUBJECT})."
    return {
        "name": kind.TYPE,
        "summary": (kind.__doc__ or "").split("\n")[0],
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": _standing_alone(schema(kind)),
        },
        "bindings": {"kafka": {"key": {"type": "string", "description": about}, "bindingVersion": "0.5.0"}},
    }


def _standing_alone(whole: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions put in place: inside this document `#/$defs/…` would lead nowhere."""

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(item) for item in node]
        if not isinstance(node, dict):
            return node
        found = {key: put(value) for key, value in node.items() if key not in ("$ref", "$defs")}
        return {**put(whole["$defs"][node["$ref"].removeprefix("#/$defs/")]), **found} if "$ref" in node else found

    placed: dict[str, Any] = put(whole)
    return placed
