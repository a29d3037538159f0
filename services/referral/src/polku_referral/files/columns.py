"""Headings and what stands under them: a table becomes rows as the JSON door takes them."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from polku_referral.files.rows import Fault, Row
from polku_referral.files.table import Line, Table, Unread
from polku_referral.model.code_map import CODED, CodeMap
from polku_referral.model.identity import holds_code
from polku_web.codes import Codes
from polku_web.forms import iso_day
from polku_web.i18n import LANGUAGES, Message, msg
from polku_web.problems import Error, Problem

OURS = ("tila", "virhe")
"""Headings that a copy of ours adds; what stands under them is not read."""
YES = frozenset({"kyllä", "k", "ja", "j", "yes", "y", "true", "tosi", "sant", "1", "x"})
NO = frozenset({"ei", "e", "nej", "n", "no", "false", "epätosi", "falskt", "0"})
_BETWEEN = re.compile(r"[\s_]+")
_A_NAME = re.compile(r"[^\W\d][\w .:()/-]{0,39}")


class Column(BaseModel):
    """See data/columns.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["text", "day", "yes-no", "list", "municipality"] = "text"
    codes: str | None = None
    needed: bool = False
    fi: tuple[str, ...]
    sv: tuple[str, ...]

    def name(self, path: str, lang: str) -> str:
        """The heading for readers of a language; in English the path itself."""
        return {"fi": self.fi[0], "sv": self.sv[0]}.get(lang, path)


@cache
def columns() -> Mapping[str, Column]:
    """Every column by its path, in the file's order."""
    text = files("polku_referral").joinpath("data/columns.yaml").read_text("utf-8")
    return TypeAdapter(dict[str, Column]).validate_python(yaml.safe_load(text))


@cache
def _by_name() -> Mapping[str, str]:
    named = {_name(heading): path for path, one in columns().items() for heading in (path, *one.fi, *one.sv)}
    return {**named, **{name: name for name in OURS}}


def path_of(heading: str) -> str | None:
    """The path that a heading means; None when it means nothing."""
    return _by_name().get(_name(heading))


def is_known(heading: str) -> bool:
    return path_of(heading) is not None


def _name(heading: str) -> str:
    return _BETWEEN.sub("_", unicodedata.normalize("NFC", heading).casefold().strip().rstrip("*: "))


@dataclass(frozen=True)
class Layout:
    """Of each place in a line the path of its column, None where nothing is to be read."""

    paths: Sequence[str | None]
    headings: Mapping[str, str]
    """Path → the heading as the file has it."""


def layout(headings: Sequence[str]) -> Layout:
    """Raises Problem 422 that names every column which is unknown, twice there, or missing."""
    paths = [path_of(heading) for heading in headings]
    if len({path for path in paths if path} - set(OURS)) < 2:
        # Perhaps there are no headings at all: then nothing of this line may be said back.
        raise _wrong([Error("", "no-headings", msg("The first line must hold the names of the columns."), "file")])
    errors = list(_faults(headings, paths))
    if errors:
        raise _wrong(errors)
    read = [None if path in OURS else path for path in paths]
    return Layout(read, {path: heading for path, heading in zip(read, headings, strict=True) if path})


def _faults(headings: Sequence[str], paths: Sequence[str | None]) -> Iterator[Error]:
    for place, (heading, path) in enumerate(zip(headings, paths, strict=True)):
        said = {"column": _sayable(heading) or letters(place)}
        if path is None and heading.strip():
            yield _error(place, "unknown-column", msg("The column %(column)s is not known.", **said))
        elif path and path in paths[:place]:
            yield _error(place, "duplicate-column", msg("The column %(column)s is there more than once.", **said))
    missing = [path for path, one in columns().items() if one.needed and path not in paths]
    if not {"person.identity_code", "person.date_of_birth"} & set(paths):
        missing.append("person.identity_code")
    for path in missing:
        column = f"{path} ({columns()[path].fi[0]}, {columns()[path].sv[0]})"
        yield Error(f"/{path}", "missing-column", msg("The column %(column)s is missing.", column=column), "file")


def _error(place: int, code: str, message: Message) -> Error:
    return Error(f"/{letters(place)}", code, message, "file")


def _wrong(errors: list[Error]) -> Problem:
    return Problem(422, "invalid", errors=errors[:100])


def _sayable(heading: str) -> str | None:
    """A heading that can be said back: a name of something, and no person's code."""
    text = " ".join(heading.split())
    return text if _A_NAME.fullmatch(text) and not holds_code(text) else None


def letters(place: int) -> str:
    """A, B … Z, AA: as a spreadsheet calls its columns; place from 0."""
    said = ""
    place += 1
    while place:
        place, left = divmod(place - 1, 26)
        said = chr(ord("A") + left) + said
    return said


Labels = Mapping[str, Mapping[str, str]]
"""Name of a code list → label in lower case, of any language → code."""


def labels_of(codes: Codes, own: CodeMap | None) -> Labels:
    """What a cell may say instead of a code. own: the sender's codes, which stay what they are."""
    labels = {
        name: {one.label(lang).casefold(): code for code, one in list_.items() for lang in LANGUAGES}
        for name, list_ in codes.lists.items()
    }
    for name in CODED:
        mine = {code.casefold() for code in getattr(own, name, ())}
        labels[name] = {label: code for label, code in labels[name].items() if label not in mine}
    return labels


def rows_of(table: Table, found: Layout, labels: Labels, digest: str) -> Iterator[Row]:
    """Every line as a row. digest: SHA-256 of the file, hex."""
    for line in table.lines:
        yield _row(line, found, labels, digest)


def _row(line: Line, found: Layout, labels: Labels, digest: str) -> Row:
    body: dict[str, Any] = {"person": {}, "ground": {}, "labour_market": {}, "reason": {}, "sender": {}}
    faults = []
    for path, cell in zip(found.paths, line.cells, strict=False):
        if path is None or cell == "":
            continue
        if isinstance(cell, Unread):
            faults.append(Fault(path, cell.code))
            continue
        column = columns()[path]
        value = _value(column, cell, labels)
        if column.kind == "day" and not _is_day(value):
            faults.append(Fault(path, "not-a-day"))  # in a file it is written as in Finland, not as in JSON
            continue
        *way, last = path.split(".")
        place = body[way[0]] if way else body
        place[last] = value
    if len(line.cells) > len(found.paths):
        faults.append(Fault("", "more-cells"))
    return Row(line.number, json.dumps(body, ensure_ascii=False).encode(), digest, tuple(faults))


def _is_day(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False


def _value(column: Column, text: str, labels: Labels) -> Any:
    known = labels.get(column.codes or "", {})
    match column.kind:
        case "day":
            return iso_day(text)
        case "yes-no":
            # Neither is left as it is, for the model to refuse.
            return True if text.casefold() in YES else False if text.casefold() in NO else text
        case "list":
            parts = [part.strip() for part in re.split("[,;|\n]", text) if part.strip()]
            return [known.get(part.casefold(), part) for part in parts]
        case "municipality":
            return text.zfill(3) if text.isascii() and text.isdigit() else text
    return known.get(text.casefold(), text)
