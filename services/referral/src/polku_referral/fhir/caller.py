"""Who calls, and how that organisation is written to."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from polku_referral.desk import Desk
from polku_referral.fhir.outcomes import BASE, own_of
from polku_referral.fhir.writing import Writer
from polku_runtime.access import Principal
from polku_web.doors import client

Sender = Annotated[Principal, Depends(client("referrals:write"))]
Reader = Annotated[Principal, Depends(client("referrals:read"))]


async def writer_for(request: Request) -> Writer:
    """How this caller is written to: after the caller is known."""
    who: Principal = request.state.principal
    desk: Desk = request.app.state.desk
    organisation = await desk.directory.organisations.get(who.organisation_id or "")
    lang = request.state.lang
    return Writer(
        own=own_of(request),
        base=request.app.state.settings.base_url + BASE,
        organisation_id=who.organisation_id or "",
        profile=organisation.fhir_profile if organisation is not None else "sdoh",
        label=lambda name, code: desk.codes.label(name, code, lang),
    )
