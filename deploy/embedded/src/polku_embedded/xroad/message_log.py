"""The message log: one signed row per message that passed, each with the hash of the one before it.

It holds hashes, never a message: what passes here is about people.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

START = "0" * 128


class MessageLog:
    """Rows as JSON lines; in memory only when there is no file. key: a stand-in for the member's signing key."""

    def __init__(self, path: Path | None, key: ECKey, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self.now = now
        self.key = key
        self.rows: list[dict[str, Any]] = read(path) if path is not None and path.exists() else []
        self._last: str = self.rows[-1]["hash"] if self.rows else START

    def write(self, said: Mapping[str, str], message: bytes) -> None:
        """said: ids and names of the message."""
        at = self.now().isoformat(timespec="milliseconds")
        row = {"at": at, **said, "sha512": hashlib.sha512(message).hexdigest(), "prev": self._last}
        self._last = row["hash"] = digest(row)
        row["signature"] = jws.serialize_compact({"alg": "ES256"}, row["hash"].encode(), self.key)
        self.rows.append(row)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file. Raises ValueError, in words for people, for a line that is none."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not {"prev", "hash", "signature"} <= row.keys():
            raise ValueError(f"row {number} of the message log cannot be read")
        rows.append(row)
    return rows


def first_wrong(rows: list[dict[str, Any]], key: ECKey) -> int | None:
    """The number of the first row that was changed, put in or moved, or that follows one that is gone; None for none.

    Rows that are cut off at the end leave no trace here: for that, the last hash must be known from elsewhere.
    """
    prev = START
    for number, row in enumerate(rows, 1):
        said = {name: value for name, value in row.items() if name not in ("hash", "signature")}
        if row["prev"] != prev or row["hash"] != digest(said) or not _is_signed(row, key):
            return number
        prev = row["hash"]
    return None


def _is_signed(row: Mapping[str, Any], key: ECKey) -> bool:
    try:
        signed = jws.deserialize_compact(row["signature"], key).payload
        return signed == str(row["hash"]).encode()
    except (JoseError, ValueError, TypeError, AttributeError):
        return False


def digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha512(json.dumps(row, sort_keys=True).encode()).hexdigest()
