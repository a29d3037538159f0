"""What may go wrong between the two systems, on demand."""

from collections.abc import Callable
from random import Random
from typing import Literal, get_args

FaultName = Literal["client-proxy", "server-proxy", "timeout", "duplicate", "lost-answer"]
NAMES: tuple[FaultName, ...] = get_args(FaultName)
MEANS: dict[FaultName, str] = {
    "client-proxy": "the consumer's security server cannot reach the provider's; Polku hears nothing",
    "server-proxy": "the provider's security server fails; Polku hears nothing",
    "timeout": "the message does not reach Polku, and its answer is waited for in vain",
    "duplicate": "Polku hears the request twice, and the second answer is passed on",
    "lost-answer": "Polku has done it, and the caller does not hear of it",
}

Draw = Callable[[], FaultName | None]
"""The fault of the next message; None for none."""


def read_faults(text: str, random: Random) -> Draw:
    """`duplicate=0.1,lost-answer=0.05`: how likely each is. Raises ValueError in words for people."""
    shares: dict[FaultName, float] = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = one.partition("=")
        known = next((fault for fault in NAMES if fault == name), None)
        if known is None:
            raise ValueError(f"no fault {name}; there are {', '.join(NAMES)}")
        try:
            shares[known] = float(share or "1")
        except ValueError:
            raise ValueError(f"{one}: a share is a number from 0 to 1") from None
    if not all(0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1:
        raise ValueError("the shares of all faults together are from 0 to 1")

    def draw() -> FaultName | None:
        left = random.random()
        for name, share in shares.items():
            left -= share
            if left < 0:
                return name
        return None

    return draw


def in_turn(*faults: FaultName | None) -> Draw:
    """These, one per message, and then none."""
    waiting = list(faults)
    return lambda: waiting.pop(0) if waiting else None
