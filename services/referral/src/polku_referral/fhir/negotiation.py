"""In which form the answer is wanted: JSON is all there is, by any of its names."""

from starlette.requests import Request

from polku_web.problems import Problem

FORMATS = ("json", "application/json", "application/fhir+json", "text/json", "application/json+fhir")
WIDER = ("*/*", "application/*", "text/*")


async def acceptable(request: Request) -> None:
    """Raises Problem 406 when neither `_format`, which goes first, nor `Accept` leaves room for JSON of R4."""
    asked = request.query_params.get("_format")
    wanted = asked.replace(" ", "+") if asked else request.headers.get("accept") or "*/*"
    if not any(_is_ours(one) for one in wanted.split(",")):
        raise Problem(406, "not-acceptable")


def _is_ours(wanted: str) -> bool:
    media, *parameters = (part.strip().lower() for part in wanted.split(";"))
    stated = dict(part.partition("=")[::2] for part in parameters)
    try:
        refused = float(stated.get("q", "1")) == 0
    except ValueError:
        refused = False
    version = stated.get("fhirversion", "4.0").strip('"')
    return media in FORMATS + WIDER and not refused and version in ("4.0", "4.0.1")
