"""What a machine may say in the query of an address: what is misspelt there must not be passed over in silence.

With `dryrun=true` for `dry_run=true` a referral would be kept that was only to be checked.
"""

from collections import Counter
from collections.abc import Iterator
from typing import get_origin

from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from polku_web.i18n import msg
from polku_web.problems import Error, Problem, pointer

EVERYWHERE = {"lang": 1}
"""The language of the answer may be asked for at every address."""


def check_query(request: Request) -> None:
    """Raises Problem 422 with every parameter that the API's address does not know, or that is there twice.

    FHIR has rules of its own for this.
    """
    said = Counter(name for name, _ in request.query_params.multi_items())
    if not said or "/api/" not in request.url.path:
        return
    known = EVERYWHERE | dict(_known(request.scope["route"].dependant))
    wrong = [Error(pointer([name]), "extra-forbidden", UNKNOWN, "query") for name in said if name not in known]
    wrong += [
        Error(pointer([name]), "said-twice", TWICE, "query")
        for name, times in said.items()
        if times > known.get(name, times)
    ]
    if wrong:
        raise Problem(422, "invalid", errors=wrong[:MANY])


UNKNOWN = msg("This parameter is not known here.")
TWICE = msg("This parameter is there more than once.")
MANY = 100


def _known(dependant: Dependant) -> Iterator[tuple[str, float]]:
    """Names of the parameters, and how often each may be said."""
    for field in dependant.query_params:
        yield field.alias, float("inf") if get_origin(field.field_info.annotation) is list else 1
    for inner in dependant.dependencies:
        yield from _known(inner)
