"""One hash over states and counters, the same however they were made."""

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b, sha256

from polku_indicators.model.counting import tidy
from polku_indicators.model.fold import State

_MASK = (1 << 256) - 1


def of_states(states: Iterable[tuple[str, State]]) -> str:
    """Hash of a set of states that needs no order: the sum of each state's hash, modulo 2²⁵⁶.

    Adding (not XOR) keeps a state that stands there twice from vanishing.
    """
    total = 0
    for key, state in states:
        text = json.dumps([key, state], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        total = (total + int.from_bytes(blake2b(text.encode(), digest_size=32).digest(), "big")) & _MASK
    return f"{total:064x}"


def plus(one: str, other: str) -> str:
    """The hash of two disjoint sets of states together."""
    return f"{(int(one, 16) + int(other, 16)) & _MASK:064x}"


def of_counters(counters: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """Hash of the counters by programme; zeros and order do not matter."""
    text = json.dumps({programme: tidy(of) for programme, of in sorted(counters.items()) if tidy(of)})
    return sha256(text.encode()).hexdigest()
