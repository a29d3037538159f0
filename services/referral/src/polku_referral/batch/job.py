"""What a job is: whose, what is wanted of it, where it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bson import Binary

from polku_runtime.access import Principal

ENDED = ("done", "failed", "cancelled")

State = Literal["receiving", "queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Wish:
    """What is wanted of a batch. atomic: all or nothing. dry_run: only checked.

    Of a file: columns, path → heading, and a keyed hash of the whole of it.
    """

    atomic: bool = False
    dry_run: bool = False
    columns: Mapping[str, str] | None = None
    file: str | None = None


@dataclass(frozen=True)
class Job:
    """is_checked: all rows of an atomic job have been, and none is wrong. total: rows."""

    id: str
    who: Principal
    wish: Wish
    state: State
    total: int
    is_checked: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    key: Binary | None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_checking(self) -> bool:
        """True while what its rows were found to be may still change, also until one cut off has been tidied."""
        may_change = not self.has_ended or (self.state != "done" and not self.is_tidy)
        return self.wish.atomic and not self.wish.dry_run and not self.is_checked and may_change

    @property
    def is_tidy(self) -> bool:
        """True when each of its rows has its last result."""
        return self.key is None


@dataclass(frozen=True)
class Chunk:
    """number: from 1. rows: their numbers. said: their ids and contents, once it was checked."""

    number: int
    rows: Sequence[int]
    blob: Binary | None
    said: Mapping[str, str]
