"""Structured logs: one JSON object a line, fields from a list, and nothing about a person.

An exception is written as class names and places in the code, never its message: messages carry input.
A last filter takes out anything shaped like a Finnish personal identity code; a hit is a bug, and counted.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

from opentelemetry import trace

FIELDS = (
    "service", "event_id", "event_type", "topic", "partition", "offset", "group", "reason", "attempt", "error",
    "status", "method", "route", "milliseconds", "count", "collection", "child", "pid", "exit_code",
    "webhook",
)  # fmt: skip
"""What a log line may carry beside its message: codes, counts and ids of events and webhooks."""

IDENTITY_CODE = re.compile(r"(?<!\d)\d{6}[-+A-FU-Ya-fu-y]\d{3}[0-9A-FHJ-NPR-Ya-fhj-npr-y](?!\w)")
REDACTED = "[redacted]"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service
        self.redactions = 0

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self.service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = trace.format_trace_id(span.trace_id)
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["at"] = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
        text, hits = IDENTITY_CODE.subn(REDACTED, json.dumps(line, ensure_ascii=False, default=str))
        self.redactions += hits
        return text


def configure(service: str, level: str, stream: TextIO | None = None) -> JsonFormatter:
    """Makes every log line of this process structured; answers the formatter, whose `redactions` must stay 0."""
    formatter = JsonFormatter(service)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These log addresses, queries or every heartbeat at INFO.
    for noisy in ("aiokafka", "pymongo", "httpx", "httpcore", "uvicorn.access", "faststream"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return formatter
