"""Problems as RFC 9457 says them: for machines as `application/problem+json`, for people as a page.

What a code means, with title and help in three languages, stands in `problems.toml`; the address
`/problems/<code>` is rendered from it.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from polku_events.refusals import Refused
from polku_web.i18n import Message, Texts, msg

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = "2"
MAX_ERRORS = 100
"""Of one problem: nobody reads more, and a body may have tens of thousands."""


@dataclass(frozen=True)
class Error:
    """One thing that is wrong. `pointer` is a JSON pointer (RFC 6901) into the body, or names a parameter."""

    pointer: str
    code: str
    message: Message | str
    where: str = "body"


class Problem(Exception):
    """Raised anywhere in a request to answer with a problem. `code` is a key of `problems.toml`.

    `detail` says what happened this time; never put what the sender sent into it.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: Message | str = "",
        *,
        errors: Iterable[Error | Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        told = islice(errors, MAX_ERRORS)
        self.errors = tuple(error if isinstance(error, Error) else Error(**error) for error in told)
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        """Extension members, such as `present` (the present state after a lost race)."""


def unavailable() -> Problem:
    """503 for what is missing on our side for a moment: the caller does nothing wrong and sends the same again."""
    return Problem(503, "unavailable", headers={"retry-after": RETRY_AFTER_S})


class ProblemError(BaseModel):
    """One entry of `errors`, as the OpenAPI document shows it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    pointer: str
    code: str
    message: str
    where: str | None = Field(None, alias="in", description="query, path or header; absent for the body")


class ProblemBody(BaseModel):
    """RFC 9457 body, as the OpenAPI document shows it."""

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str = Field(description="The trace of this request, for a support call")
    code: str
    errors: list[ProblemError] | None = None


@dataclass(frozen=True)
class Kind:
    """One entry of the catalogue; texts by language."""

    code: str
    status: int
    title: Mapping[str, str]
    help: Mapping[str, str] = field(default_factory=dict)


@cache
def catalogue() -> Mapping[str, Kind]:
    """Every problem code of Polku, in the file's order."""
    text = files("polku_web").joinpath("problems.toml").read_text("utf-8")
    return {code: Kind(code=code, **entry) for code, entry in tomllib.loads(text).items()}


def kind(code: str, status: int) -> Kind:
    """The catalogue's entry, or a general one for a code nobody has described yet."""
    known = catalogue()
    return known.get(code) or known.get(GENERAL.get(status, "refused")) or known["refused"]


GENERAL = {
    400: "malformed",
    401: "not-signed-in",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "lost-race",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid",
    429: "too-many-requests",
    500: "internal",
    503: "unavailable",
}
"""The code for a bare HTTP status."""


def body(problem: Problem, *, lang: str, texts: Texts, instance: str) -> dict[str, Any]:
    """The problem as a JSON object in the reader's language."""
    told: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": kind(problem.code, problem.status).title[lang],
        "status": problem.status,
        "detail": texts.say(lang, problem.detail) or None,
        "instance": instance,
        "code": problem.code,
        "errors": [
            {
                "pointer": error.pointer,
                "code": error.code,
                "message": texts.say(lang, error.message),
                **({} if error.where == "body" else {"in": error.where}),
            }
            for error in problem.errors
        ]
        or None,
    }
    return {key: value for key, value in told.items() if value is not None} | problem.more


# Names that a schema could hold. Anything else in a pointer came from the sender and might be a person's data.
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.-]{0,39}")


def pointer(path: Sequence[str | int]) -> str:
    """RFC 6901 pointer; a key that does not look like a field's name is shown as `…`."""
    parts = [str(p) if isinstance(p, int) else p if _NAME.fullmatch(p) else "…" for p in path]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def from_refused(refused: Refused, wrong: Mapping[str, Message], others: Mapping[str, Message]) -> Problem:
    """What a rule said no to: 422 with a pointer per field, or 409 when the present state stands in the way.

    wrong, others: a service's words for the codes of fields and of what stands in the way.
    """
    if refused.code == "invalid":
        errors = [Error(f"/{one.field}", one.code, wrong[one.code]) for one in refused.wrong]
        return Problem(422, "invalid", errors=errors)
    return Problem(409, "wrong-state", others[refused.code], more={"refusal": refused.code})


def from_validation(errors: Sequence[Any]) -> Problem:
    """Pydantic's and FastAPI's errors as one 422 (or 400 for JSON that cannot be read), without the input."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(400, "malformed", msg("The body is not valid JSON."))
    return Problem(422, "invalid", errors=[_error(error) for error in errors[:MAX_ERRORS]])


def _error(error: Mapping[str, Any]) -> Error:
    where, *path = error["loc"] or ("body",)
    if where not in ("body", "query", "path", "header", "cookie"):
        where, path = "body", [where, *path]
    code = error["type"].replace("_", "-")
    limits = {key: value for key, value in (error.get("ctx") or {}).items() if key in _LIMITS}
    if code == "literal-error":
        limits = {"values": ", ".join(re.findall(r"'([^']+)'", error["ctx"]["expected"]))}
    return Error(pointer(path), code, _message(error, limits), where)


def _message(error: Mapping[str, Any], limits: Mapping[str, Any]) -> Message | str:
    known = _MESSAGES.get(error["type"])
    if known is not None and all(f"%({name})" not in known.msgid or name in limits for name in _LIMITS):
        return Message(known.msgid, limits)
    # A service's own PydanticCustomError brings its msgid; pydantic's own texts may quote the input. Pydantic
    # writes its types with underscores, we write ours with hyphens.
    own = "-" in error["type"]
    return str(error["msg"]) if own else msg("This value is not valid.")


_LIMITS = ("min_length", "max_length", "ge", "le", "values")
"""What a message may say: limits and values from our own models, never what was sent."""

_MESSAGES = {
    "missing": msg("This is required."),
    "extra_forbidden": msg("This field is not known here."),
    "string_too_short": msg("Too short: at least %(min_length)s characters."),
    "string_too_long": msg("Too long: at most %(max_length)s characters."),
    "too_short": msg("Too few: at least %(min_length)s."),
    "too_long": msg("Too many: at most %(max_length)s."),
    "string_type": msg("This must be text."),
    "int_type": msg("This must be a whole number."),
    "int_parsing": msg("This must be a whole number."),
    "int_from_float": msg("This must be a whole number."),
    "bool_type": msg("This must be true or false."),
    "bool_parsing": msg("This must be true or false."),
    "list_type": msg("This must be a list."),
    "dict_type": msg("This must be an object."),
    "model_type": msg("This must be an object."),
    "model_attributes_type": msg("This must be an object."),
    "date_type": msg("This must be a day, YYYY-MM-DD."),
    "date_parsing": msg("This must be a day, YYYY-MM-DD."),
    "date_from_datetime_parsing": msg("This must be a day, YYYY-MM-DD."),
    "date_from_datetime_inexact": msg("This must be a day, YYYY-MM-DD."),
    "datetime_type": msg("This must be a time with its offset (RFC 3339)."),
    "datetime_parsing": msg("This must be a time with its offset (RFC 3339)."),
    "timezone_aware": msg("This must be a time with its offset (RFC 3339)."),
    "enum": msg("This is not one of the known values."),
    "literal_error": msg("This is none of the known values: %(values)s."),
    "greater_than_equal": msg("Too small: at least %(ge)s."),
    "less_than_equal": msg("Too large: at most %(le)s."),
    "string_pattern_mismatch": msg("This does not have the right form."),
    "uuid_parsing": msg("This is not an id."),
}
