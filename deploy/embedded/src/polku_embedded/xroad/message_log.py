"""The message log: one signed row per message that passed, each with the hash of the one before it.

It holds hashes, never a message: what passes here is about people.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

START = "0" * 128


class MessageLog:
    """Rows as JSON lines; in memory only when there is no file. key: a stand-in for the member's signing key."""

    def __init__(self, path: Path | None, key: ECKey) -> None:
        self.path = path
        self.key = key
        self.rows: list[dict[str, Any]] = read(path) if path is not None and path.exists() else []
        self._last: str = self.rows[-1]["hash"] if self.rows else START

    def write(self, said: Mapping[str, str], message: bytes) -> None:
        """said: ids and names of the message."""
        row = {**said, "sha512": hashlib.sha512(message).hexdigest(), "prev": self._last}
        self._last = row["hash"] = digest(row)
        row["signature"] = jws.serialize_compact({"alg": "ES256"}, row["hash"].encode(), self.key)
        self.rows.append(row)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def holds(rows: list[dict[str, Any]], key: ECKey) -> bool:
    """True when no row was changed, removed or moved, and each is signed."""
    prev = START
    for row in rows:
        said = {name: value for name, value in row.items() if name not in ("hash", "signature")}
        if row["prev"] != prev or row["hash"] != digest(said):
            return False
        try:
            signed = jws.deserialize_compact(row["signature"], key)
        except JoseError:
            return False
        if signed.payload.decode() != row["hash"]:
            return False
        prev = row["hash"]
    return True


def digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha512(json.dumps(row, sort_keys=True).encode()).hexdigest()
