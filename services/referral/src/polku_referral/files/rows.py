"""Rows of a batch: a JSON array or JSON lines, cut into rows as the bytes come in, so that no batch is held whole.

A row stays the bytes that were sent: they are what the receipt names and what the single door would have read.
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from polku_web.bodies import MAX_BYTES
from polku_web.i18n import msg
from polku_web.problems import Problem, from_validation
from polku_web.strict_json import not_json, not_utf8, too_deep

BOM = b"\xef\xbb\xbf"
_ARRAY = re.compile(rb"\[\s*(\{|$)")
"""The first line of an array of objects, written on one line or over several."""
_LINES = re.compile(r"\{[^\n]*\}[ \t\r]*\n\s*\{")
"""Two objects on lines of their own, with no array around them."""
_SPACE = re.compile(r"[ \t\r\n]*")


class Fault(NamedTuple):
    """What keeps a row from being read. column: as Row.columns names it. code: of `texts.WRONG`."""

    column: str
    code: str


@dataclass(frozen=True)
class Row:
    """One referral as it was sent. number: from 1, of the element or of the line, as a spreadsheet counts lines.

    raw: JSON, as the single door takes it, or whatever stands where that should be. sha256: hex, of the file that the
    row is from; of `raw` when there is none.
    """

    number: int
    raw: bytes = b""
    sha256: str | None = None
    faults: tuple[Fault, ...] = ()


class Reader(Protocol):
    """Takes a body piece by piece and gives the rows that are whole by then."""

    def feed(self, piece: bytes, *, is_last: bool = False) -> Iterator[Row]:
        """Raises Problem 400, 413, 415 or 422 when the rest cannot be read at all."""


@dataclass
class Lines:
    """JSON lines (`application/x-ndjson`). A line that is not JSON spoils no other; an empty one is no row.

    A body that begins as an array of objects came under the wrong name: that is said once, not of every line.
    """

    _rest: bytearray = field(default_factory=bytearray)
    _searched: int = 0
    _number: int = 0
    _has_begun: bool = False

    def feed(self, piece: bytes, *, is_last: bool = False) -> Iterator[Row]:
        rest = self._rest
        rest += piece
        begin = 0
        while (end := rest.find(b"\n", max(begin, self._searched))) >= 0 or (is_last and begin < len(rest)):
            line = bytes(rest[begin : end if end >= 0 else None])
            begin = end + 1 if end >= 0 else len(rest)
            self._number += 1
            yield from self._row(line)
        del rest[:begin]
        self._searched = len(rest)

    def _row(self, line: bytes) -> Iterator[Row]:
        line = line.removeprefix(BOM if self._number == 1 else b"").strip(b" \t\r")
        if line:
            if not self._has_begun and _ARRAY.match(line):
                looks = msg("This looks like a JSON array: send it as %(type)s.", type="application/json")
                raise Problem(415, "unsupported-media-type", looks)
            self._has_begun = True
            # One byte too many says that it is too large; the rest need not be kept.
            yield Row(self._number, line[: MAX_BYTES + 1])


Expected = Literal["array", "first", "element", "next", "nothing"]
_NEXT: Mapping[tuple[Expected, str], Expected] = {
    ("array", "["): "first",
    ("first", "]"): "nothing",
    ("next", "]"): "nothing",
    ("next", ","): "element",
}


@dataclass
class Elements:
    """A JSON array. It can be cut only where its elements are JSON: one that is not spoils the batch.

    Lines of objects came under the wrong name.
    """

    _text: str = ""
    _number: int = 0
    _expects: Expected = "array"

    def __post_init__(self) -> None:
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")()
        # What a row holds is read later, strictly; here only its end is looked for.
        self._json = json.JSONDecoder(parse_int=_nothing, parse_float=_nothing, parse_constant=_nothing)

    def feed(self, piece: bytes, *, is_last: bool = False) -> Iterator[Row]:
        try:
            self._text += self._bytes.decode(piece, is_last)
        except UnicodeDecodeError:
            raise not_utf8() from None
        place = 0
        while sign := self._text[(place := _after_space(self._text, place)) : place + 1]:
            if (self._expects, sign) == ("array", "{") and not is_last and len(self._text) < MAX_BYTES:
                break  # no array, whatever comes; what does come tells which kind of none
            if self._expects in ("first", "element") and sign != "]":
                end = self._end(place)
                if end is None:
                    break
                self._number += 1
                yield Row(self._number, self._text[place:end].encode()[: MAX_BYTES + 1])
                place, self._expects = end, "next"
            else:
                self._take(sign, place)
                place += 1
        self._text = self._text[place:]
        if is_last and self._expects != "nothing":
            raise not_json()
        if len(self._text) > 2 * MAX_BYTES:
            raise Problem(413, "too-large", msg("One element is larger than %(limit)s kB.", limit=MAX_BYTES // 1024))

    def _take(self, sign: str, place: int) -> None:
        """One of the array's own signs. Raises Problem for any other."""
        if self._expects == "array" and sign != "[":
            if _LINES.match(self._text, place):
                looks = msg("This looks like one object per line: send it as %(type)s.", type="application/x-ndjson")
                raise Problem(415, "unsupported-media-type", looks)
            raise from_validation([{"type": "list_type", "loc": ("body",)}])
        found = _NEXT.get((self._expects, sign))
        if found is None:
            raise not_json()
        self._expects = found

    def _end(self, begin: int) -> int | None:
        """Where the element ends; None when it is not whole yet, or is not JSON: the end of the body tells which."""
        try:
            _, end = self._json.raw_decode(self._text, begin)
        except RecursionError:
            raise too_deep() from None
        except ValueError:
            return None
        # A number may go on in the next piece; only the sign that follows says that it is whole.
        after = _after_space(self._text, end)
        return end if self._text[after : after + 1] in (",", "]") else None


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found is not None
    return found.end()


def _nothing(_: str) -> None:
    return None
