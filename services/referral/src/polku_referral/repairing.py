"""A map that has learnt a code repairs the referrals that wait for it, so that nobody does it one by one."""

from datetime import date

from polku_referral.model.answers import map_codes
from polku_referral.model.code_map import CodeMap, read
from polku_referral.model.referral import UNKNOWN, WAITING, Referral
from polku_referral.repository import Repository
from polku_runtime.aggregates import LostRace
from polku_web.codes import Codes

SOME = 200
"""Read at a time."""


async def repair(
    repository: Repository, codes: Codes, code_map: CodeMap, organisation_id: str, *, on: date, by: str | None
) -> int:
    """Gives known codes to every waiting referral of the organisation whose unknown ones all stand in the map now.

    Says how many, without trials. Each is a command of its own: cut off in the middle, the same again repairs the
    rest. The sender hears of each. on: the day by which Polku's codes are in use. by: the staff member who changed
    the map.
    """
    scope = {"organisation_id": organisation_id}
    waits = {"state": {"$in": list(WAITING)}, "unmapped": {"$nin": [{}, None]}}
    repaired, last = 0, ""
    while rows := await repository.where(scope, [waits, {"_id": {"$gt": last}}], [("_id", 1)], SOME):
        for row in rows:
            known = _known(row, code_map, codes, on)
            if known.keys() == row.unmapped.keys():
                after, events = map_codes(row, known=known, at=repository.effects.now(), by=by)
                try:
                    await repository.save(row, after, events, scope)
                except LostRace:
                    continue  # somebody has just repaired or answered it
                repaired += not row.test  # trials are repaired too, but nobody sees or counts them
        last = rows[-1].id
    return repaired


def _known(row: Referral, code_map: CodeMap, codes: Codes, on: date) -> dict[str, str]:
    """What the unknown codes stand for now, where that is known."""
    found = read(row.unmapped, code_map, lambda field, code: codes.allows(field, code, on)).values
    return {field: code for field, code in found.items() if code != UNKNOWN}
