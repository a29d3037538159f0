"""What must hold for any states and their counters; a broken one is a bug or wrong data, named by its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from polku_indicators.model.counting import PLAIN, Counters, contributions, empty, merged, tidy
from polku_indicators.model.definitions import GENDERS
from polku_indicators.model.fold import State
from polku_indicators.model.participation import Participation, participation, programmes_of
from polku_indicators.model.rules import COMPLETE, Rules, judge


@dataclass(frozen=True)
class Broken:
    """invariant: I1…I12. severity `warning`: the rule rests on a base that is not certain."""

    invariant: str
    programme: str
    text: str
    severity: str = "error"


def check_invariants(states: Mapping[str, State], counters: Mapping[str, Counters], rules: Rules) -> list[Broken]:
    """Compares states (by key) with counters (by programme). Empty when all is well.

    I10 (six months after, clamped) has no figure yet; its day arithmetic is `rules.add_months`.
    """
    broken: list[Broken] = []
    for programme in sorted(set(counters) | {p for state in states.values() for p in programmes_of(state)}):
        count = counters.get(programme, empty())
        broken += _of_counters(programme, count)
        broken += _of_people(programme, states, count, rules)
    return broken


def _of_counters(programme: str, counters: Counters) -> list[Broken]:
    value = {code: sum(genders.values()) for code, genders in counters.items()}

    def v(*codes: str) -> int:
        return sum(value.get(code, 0) for code in codes)

    rules = [
        ("I1", v("EECO04") == v("FI-OUTSIDE", "FI-STUDYING"), "inactive is not outside + studying", "error"),
        ("I2", v("EECO03") <= v("EECO02"), "more long-term unemployed than unemployed", "error"),
        ("I3", v("EECO02", "EECO04", "EECO05") == v(COMPLETE), "statuses do not add up to complete records", "error"),
        ("I3", v(COMPLETE) <= v("EECO01"), "more complete records than participants", "error"),
        ("I4", v("EECO09", "EECO10", "EECO11") == v(COMPLETE), "education levels do not add up", "error"),
        ("I8", v("EECR01") <= v("EECO04"), "more began to seek work than were inactive", "warning"),
        ("I8", v("EECR04") <= v("EECO02", "EECO04"), "more found work than were without", "warning"),
    ]
    broken = [Broken(name, programme, text, severity) for name, holds, text, severity in rules if not holds]
    for code, genders in counters.items():
        if code.isupper() and not set(genders) <= set(GENDERS):
            broken.append(Broken("I5", programme, f"{code} counts an unknown gender"))
        if code.isupper() and code != "EECO01" and genders.get("not-stated"):
            broken.append(Broken("I5", programme, f"{code} counts persons without gender"))
        if any(number < 0 for number in genders.values()):
            broken.append(Broken("I12", programme, f"{code} is negative"))
    return broken


def _of_people(programme: str, states: Mapping[str, State], counters: Counters, rules: Rules) -> list[Broken]:
    broken: list[Broken] = []
    parts = [part for state in states.values() if (part := contributions(state, rules).get(programme))]
    again = merged(
        [{code: {gender: 1} for code, gender in part["counted"].items()} for part in parts]
        + [{tally: {PLAIN: number} for tally, number in part["tallies"].items()} for part in parts]
    )
    if again != tidy(counters):
        broken.append(Broken("I12", programme, "counters differ from the sum over states"))
    for state in states.values():
        found = participation(state, programme) if state["kind"] == "person" else None
        if found is not None:
            broken += _of_one(programme, state, found, rules)
    persons = sum(1 for part in parts if "EECO01" in part["counted"])
    if persons != sum(counters.get("EECO01", {}).values()):
        broken.append(Broken("I9", programme, "a person is counted more or less than once"))
    return broken


def _of_one(programme: str, state: State, found: Participation, rules: Rules) -> list[Broken]:
    counted = judge(found, rules, programme).counted
    statuses = [code for code in ("EECO02", "EECO04", "EECO05") if code in counted]
    results = [code for code in counted if code.startswith("EECR")]
    broken = []
    if len(statuses) != (1 if COMPLETE in counted else 0):
        broken.append(Broken("I1", programme, "not exactly one labour-market status"))
    starts = [
        pathway["entry"][1]
        for pathway in state["pathways"].values()
        if pathway.get("programme") == programme and "entry" in pathway
    ]
    if found.started_on.isoformat() != min(starts):
        broken.append(Broken("I6", programme, "entry data is not of the first start"))
    if found.ended_on is not None and found.ended_on < found.started_on:
        broken.append(Broken("I7", programme, "ended before it started", "warning"))
    late = found.ended_on and found.status_on and found.status_on > found.ended_on + timedelta(days=28)
    if results and late:
        broken.append(Broken("I7", programme, "a result later than 28 days after leaving"))
    plan = rules.plans.get(programme)
    if counted and plan is not None and not plan.covers(found.started_on):
        broken.append(Broken("I7", programme, "started outside the programme's period"))
    if found.ended_on is None and results:
        broken.append(Broken("I11", programme, "a result for somebody still inside"))
    return broken
