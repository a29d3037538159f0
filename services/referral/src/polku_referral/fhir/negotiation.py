"""In which form the answer is wanted: JSON is all there is, by any of its names."""

from starlette.requests import Request

from polku_web.i18n import msg
from polku_web.problems import Error, Problem, pointer
from polku_web.queries import UNKNOWN

FORMATS = ("json", "application/json", "application/fhir+json", "text/json", "application/json+fhir")
ABOUT_THE_ANSWER = ("_format", "_pretty", "lang")
"""Parameters that are known at every address."""
WIDER = ("*/*", "application/*", "text/*")


async def acceptable(request: Request) -> None:
    """Raises Problem 406 when neither `_format`, which goes first, nor `Accept` leaves room for JSON of R4, and 415
    when the body is of another FHIR than R4.
    """
    asked = request.query_params.get("_format")
    wanted = asked.replace(" ", "+") if asked else request.headers.get("accept") or "*/*"
    if not any(_is_ours(one) for one in wanted.split(",")):
        raise Problem(
            406, "not-acceptable", msg("Ask for application/fhir+json, or for any type: JSON is all there is.")
        )
    if not _is_r4(_stated(request.headers.get("content-type", ""))):
        raise Problem(415, "unsupported-media-type", msg("Send the resources of FHIR 4.0."))


async def plain(request: Request) -> None:
    """For addresses that are no searches. Raises Problem 400 with every parameter that is not about the form of the
    answer: with `dry_run` a referral would be kept that was only to be checked.
    """
    odd = [name for name in request.query_params if name not in ABOUT_THE_ANSWER]
    if odd:
        raise Problem(400, "invalid", errors=[unknown_parameter(name) for name in odd])


def unknown_parameter(name: str) -> Error:
    """With its modifier or chain, if there is one (`status:not`), since that may be what is not known."""
    parts = (pointer([part]).removeprefix("/") for part in name.split(":"))
    return Error(f"/{':'.join(parts)}", "unknown-parameter", UNKNOWN, "query")


def _is_ours(wanted: str) -> bool:
    stated = _stated(wanted)
    try:
        refused = float(stated.get("q", "1")) == 0
    except ValueError:
        refused = False
    return wanted.partition(";")[0].strip().lower() in FORMATS + WIDER and not refused and _is_r4(stated)


def _stated(media: str) -> dict[str, str]:
    """The parameters of a media type, by name in small letters."""
    parameters = (part.partition("=") for part in media.lower().split(";")[1:])
    return {name.strip(): value.strip(' "') for name, _, value in parameters}


def _is_r4(stated: dict[str, str]) -> bool:
    return stated.get("fhirversion", "4.0") in ("4.0", "4.0.1")
