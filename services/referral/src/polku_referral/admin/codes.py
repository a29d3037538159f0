"""The map of an organisation's own codes, changed by page, API and command line alike."""

from dataclasses import dataclass
from datetime import date

from pydantic import ValidationError

from polku_events.refusals import Refused, Wrong, refuse_if
from polku_referral.admin.admin import NOT_MADE, Who
from polku_referral.audit import Audit, Look
from polku_referral.code_maps import CodeMaps, check
from polku_referral.model.code_map import CodeMap
from polku_referral.repairing import repair
from polku_referral.repository import Repository
from polku_runtime.aggregates import LostRace
from polku_web.codes import Codes

ACTION = "change-codes"


@dataclass(frozen=True)
class CodeAdmin:
    """today: the day by which Polku's codes are in use."""

    maps: CodeMaps
    repository: Repository
    audit: Audit
    codes: Codes
    today: date

    async def replace(self, who: Who, organisation_id: str, code_map: CodeMap, seen: int) -> int:
        """Puts the map in place of that of version `seen`. Says how many waiting referrals it has repaired.

        Raises Refused, LostRace.
        """
        check(code_map, self.codes)
        by = who.id if who else None
        await self.audit.write(who, [Look(None, ACTION, about=organisation_id)])
        if not await self.maps.put(organisation_id, code_map, seen, by):
            await self.audit.write(who, [Look(None, NOT_MADE, about=organisation_id, detail=ACTION)])
            raise LostRace(None)
        return await repair(self.repository, self.codes, code_map, organisation_id, on=self.today, by=by)


def learnt(code_map: CodeMap, field: str, own: str, ours: str, codes: Codes) -> CodeMap:
    """The map with one more code, or with another meaning of one. field: one of CodeMap's.

    Raises Refused with what is wrong with `own` and `ours`.
    """
    refuse_if([Wrong(name, "needed") for name, value in (("own", own), ("ours", ours)) if not value])
    try:
        check(CodeMap.model_validate({field: {own: ours}}), codes)
        return CodeMap.model_validate({**code_map.model_dump(), field: {**getattr(code_map, field), own: ours}})
    except ValidationError as error:
        place = error.errors(include_input=False)[0]["loc"]
        if len(place) == 1:
            raise Refused("invalid", [Wrong("own", "too-many")]) from None
        raise Refused("invalid", [Wrong("own" if place[-1] == "[key]" else "ours", "not-valid")]) from None
    except Refused as refused:
        at = {"unknown-code": "ours", "looks-like-identity-code": "own"}
        raise Refused("invalid", [Wrong(at[wrong.code], wrong.code) for wrong in refused.wrong]) from None


def without(code_map: CodeMap, field: str, own: str) -> CodeMap:
    """The map without a code."""
    left = {name: ours for name, ours in getattr(code_map, field).items() if name != own}
    return CodeMap.model_validate({**code_map.model_dump(), field: left})
