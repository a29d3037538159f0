"""To which Polku, and as whom: options and `POLKU_CLIENT_…` first, then a profile file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polku_client.problems import Misconfigured

FIELDS = ("url", "client_id", "key", "audience", "language")
NEEDED = FIELDS[:3]


@dataclass(frozen=True)
class Profile:
    """A profile file is TOML with these names; a relative `key` is beside the file."""

    url: str
    client_id: str
    key: str
    audience: str | None = None
    language: str = "en"


def read_profile(file: Path | None, given: Mapping[str, str | None]) -> Profile:
    """What was given goes before what the file says. Raises Misconfigured and names what is missing or unknown."""
    values = (_read(file) if file else {}) | {name: value for name, value in given.items() if value}
    missing = [name for name in NEEDED if not values.get(name)]
    if missing:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise Misconfigured(f"say where and as whom: {options} (or POLKU_CLIENT_…, or a --profile)")
    return Profile(**values)


def _read(file: Path) -> dict[str, str]:
    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        raise Misconfigured(f"the profile {file.name} cannot be read as TOML") from None
    if unknown := sorted(set(said) - set(FIELDS)):
        raise Misconfigured(f"the profile {file.name} holds unknown names: {', '.join(unknown)}")
    if not all(isinstance(value, str) for value in said.values()):
        raise Misconfigured(f"the profile {file.name} holds something that is no text")
    if "key" in said and not said["key"].lstrip().startswith(("{", "-----BEGIN")):
        said["key"] = str(file.parent / said["key"])
    return said
