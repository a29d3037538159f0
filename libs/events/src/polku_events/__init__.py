"""The contracts of Polku: the envelope and every event model. Depends on pydantic and nothing else."""

from polku_events.base import Aggregate, EventData
from polku_events.codec import Headers, Record, Undecodable, UnknownType, decode, encode
from polku_events.envelope import Event
from polku_events.registry import EVENT_TYPES, PRODUCERS, schema_of, service_of, topic_of

__all__ = [
    "EVENT_TYPES",
    "PRODUCERS",
    "Aggregate",
    "Event",
    "EventData",
    "Headers",
    "Record",
    "Undecodable",
    "UnknownType",
    "decode",
    "encode",
    "schema_of",
    "service_of",
    "topic_of",
]
