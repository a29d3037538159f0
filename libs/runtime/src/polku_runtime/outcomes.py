"""What can become of one record."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from polku_events import Event


class Outcome(Enum):
    """`RETRY` is not here: infrastructure trouble raises, and the runner repeats the whole batch."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"


class Dead(Exception):
    """This record can never be applied.

    reason: one of a closed set of codes (see `dead_letters.REASONS`, or a service's own refusal code).
    error: class name of the error behind it, if any; never a message, which may carry data.
    """

    def __init__(self, reason: str, error: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


@dataclass(frozen=True, slots=True)
class Received:
    """One record from Kafka with its event decoded."""

    topic: str
    partition: int
    offset: int
    event: Event


Result = Outcome | Dead
Apply = Callable[[Sequence[Received]], Awaitable[Sequence[Result]]]
"""Applies a batch and answers one result per record, in order. Raises only for infrastructure trouble."""

Handler = Callable[[Event], Awaitable[Outcome]]
"""Applies one event. Raises Dead when it can never be applied."""
