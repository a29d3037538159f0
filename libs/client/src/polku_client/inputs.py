"""Referrals in files: one JSON object, an array, or one object per line (NDJSON)."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polku_client.problems import Misconfigured


@dataclass(frozen=True)
class Row:
    """line: in the file, from 1; of an array the number of the element."""

    line: int
    body: dict[str, Any]


def read_rows(path: str) -> list[Row]:
    """Every referral in a file; `-` is standard input. Raises Misconfigured with the line, never what is on it."""
    try:
        raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is not UTF-8; a CSV or XLSX file goes by `import`") from None
    try:
        whole = json.loads(text)
    except ValueError:
        return _lines(path, text)
    found = whole if isinstance(whole, list) else [whole]
    return [_row(path, number, one) for number, one in enumerate(found, start=1)]


def _lines(path: str, text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(_row(path, number, json.loads(line)))
            except ValueError:
                raise Misconfigured(f"{path}:{number} is not JSON") from None
    return rows


def _row(path: str, number: int, one: object) -> Row:
    if not isinstance(one, dict):
        raise Misconfigured(f"{path}:{number} is no JSON object")
    return Row(number, one)
