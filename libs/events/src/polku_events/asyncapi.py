"""The AsyncAPI 3.0 document, for reading: channels with their keys, messages with their headers, groups."""

from typing import Any

from polku_events.base import EventData
from polku_events.files import schema, short
from polku_events.listeners import LISTENERS
from polku_events.registry import PRODUCERS

_HEADERS: dict[str, tuple[str, bool]] = {
    "ce_specversion": ("Always 1.0.", True),
    "ce_id": ("UUIDv7; the same in every copy of the event.", True),
    "ce_type": ("The event's type with its major version.", True),
    "ce_source": ("/polku/<service>", True),
    "ce_subject": ("Id of the aggregate.", True),
    "ce_time": ("When it happened, RFC 3339, UTC.", True),
    "ce_dataschema": ("URN of the schema, with the minor version.", True),
    "ce_aggregateversion": ("Number of the event within its aggregate, from 1 without gaps.", True),
    "ce_correlationid": ("Ties together everything that one request started.", True),
    "ce_causationid": ("The event that led to this one.", False),
    "ce_partitionkey": ("Equals the record key.", True),
    "content-type": ("application/json", True),
    "traceparent": ("W3C trace context.", False),
}


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
                    "properties": {
                        name: {"type": "string", "description": said} for name, (said, _) in _HEADERS.items()
                    },
                    "required": [name for name, (_, needed) in _HEADERS.items() if needed],
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
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema(kind)},
        "bindings": {"kafka": {"key": {"type": "string", "description": about}, "bindingVersion": "0.5.0"}},
    }
