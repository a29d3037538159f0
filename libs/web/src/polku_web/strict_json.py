"""JSON as it may come in.

A body that passes is one that every later reader understands in the same way: UTF-8, each key once, finite
numbers that fit 64 bits, no NUL and no half of a surrogate pair, not deeper than MAX_DEPTH, not more than MAX_VALUES.
"""

import codecs
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from polku_web.i18n import msg
from polku_web.problems import Error, Problem, pointer

MAX_DEPTH = 20
MAX_VALUES = 5000
"""Of one body, objects and lists among them. Whoever reads it tells what is wrong with each before any is left out:
the 80 000 empty objects that fit into a body held everybody's requests for three seconds.
"""
INT64 = range(-(2**63), 2**63)


class _Duplicated(dict[str, Any]):
    """An object whose body named a key twice; which one a reader would take is anybody's guess."""

    key: str


class _Unrepresentable:
    """A number that is not finite or does not fit 64 bits."""


def read_json(body: bytes) -> Any:
    """The value of a strict JSON body. Raises Problem 413 for too many values in it, 400, or 422 with the pointer of
    what is wrong.
    """
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_int,
            parse_float=_float,
            parse_constant=_constant,
        )
    except UnicodeDecodeError:
        raise not_utf8() from None
    except RecursionError:
        raise too_deep() from None
    except ValueError:
        raise not_json(body) from None
    if _has_too_many(value):
        raise Problem(413, "too-large", msg("The body holds more than %(limit)s values.", limit=MAX_VALUES))
    errors = [error for _, error in zip(range(20), _faults(value, []), strict=False)]
    if errors:
        raise Problem(422, "invalid", errors=errors)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    twice = _Duplicated(found)
    twice.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return twice


def _int(text: str) -> Any:
    # 20 characters hold every 64-bit integer; longer ones are not even converted (quadratic time).
    if len(text) > 20 or int(text) not in INT64:
        return _Unrepresentable()
    return int(text)


def _float(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else _Unrepresentable()


def _constant(_: str) -> Any:
    return _Unrepresentable()


def _has_too_many(value: Any) -> bool:
    waiting, seen = [value], 0
    while waiting and seen <= MAX_VALUES:
        one = waiting.pop()
        seen += 1
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return seen > MAX_VALUES


_BAD_TEXT: Callable[[str], Any] = re.compile("[\0\ud800-\udfff]").search


def _faults(value: Any, path: list[str | int]) -> Iterator[Error]:
    """Every fault with its pointer. Stops at the depth limit, so it cannot run out of stack."""
    if len(path) > MAX_DEPTH:
        yield Error(pointer(path[:1]), "too-deep", msg("The body is nested too deeply."))
    elif isinstance(value, str):
        if _BAD_TEXT(value):
            yield Error(pointer(path), "bad-character", msg("This holds a character that is not allowed."))
    elif isinstance(value, dict):
        yield from _faults_of_keys(value, path)
        for key, inner in value.items():
            yield from _faults(inner, [*path, key])
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _faults(inner, [*path, index])
    elif isinstance(value, _Unrepresentable):
        yield Error(pointer(path), "number-out-of-range", msg("This number is outside the range of 64 bits."))


def _faults_of_keys(value: dict[str, Any], path: list[str | int]) -> Iterator[Error]:
    if isinstance(value, _Duplicated):
        yield Error(pointer([*path, value.key]), "duplicate-key", msg("This key is there more than once."))
    if any(_BAD_TEXT(key) for key in value):
        yield Error(pointer(path), "bad-character", msg("This holds a character that is not allowed."))


def not_utf8() -> Problem:
    return Problem(400, "malformed", msg("The body is not valid UTF-8."))


def not_json(body: bytes = b"") -> Problem:
    if body.startswith(codecs.BOM_UTF8):  # some platforms write it before everything, and no editor shows it
        return Problem(400, "malformed", msg("The body begins with a byte order mark: send UTF-8 without it."))
    return Problem(400, "malformed", msg("The body is not valid JSON."))


def too_deep() -> Problem:
    return Problem(400, "malformed", msg("The body is nested too deeply."))
