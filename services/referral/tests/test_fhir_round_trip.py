"""The same referral in JSON and in resources: nothing that both can say is lost, in either direction."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from polku_referral.fhir.reading import read
from polku_referral.wire import GroundIn, LabourMarketIn, PersonIn, ReasonIn, ReferralIn, SenderIn
from polku_web.codes import read_codes

from .fhir_material import OWN, R4, bundled, contained, resources, service_request, transaction
from .material import TOWN

codes_of = read_codes("polku_referral").lists
lines = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp", "Zs")), min_size=1, max_size=30
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf")) | st.sampled_from("\n\t\r"), max_size=60)
days = st.dates(date(1930, 1, 1), date(2030, 12, 31)).map(date.isoformat)
names = st.lists(lines, min_size=1, max_size=3).map(" ".join)
phones, emails = st.from_regex(r"\A[+0-9() -]{4,30}\Z"), st.from_regex(r"\A[a-zåäö.]{1,9}@[a-z.]{1,9}\Z")


def any_of(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(codes_of[name]))


def every(model: type[BaseModel], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with every field of the model; what may be left out, or be null, sometimes is."""
    assert fields.keys() == model.model_fields.keys(), "this test must try every field that a referral has"
    told = {name: (fields[name], field) for name, field in model.model_fields.items()}
    needed = {name: strategy for name, (strategy, field) in told.items() if field.is_required()}
    others = {
        name: strategy | st.none() if field.default is None else strategy
        for name, (strategy, field) in told.items()
        if name not in needed
    }
    return st.fixed_dictionaries(needed, optional=others)


persons = every(
    PersonIn,
    identity_code=st.from_regex(r"\A[0-9A-Z+-]{11}\Z"),
    date_of_birth=days,
    given_names=names,
    family_name=names,
    language=any_of("language"),
    municipality=st.from_regex(r"\A[0-9]{3}\Z") | names,
    phone=phones,
    email=emails,
    protected_address=st.booleans(),
).filter(lambda told: told.get("identity_code") or told.get("date_of_birth"))
bodies = every(
    ReferralIn,
    external_id=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}\Z"),
    programme=any_of("programme"),
    # Ours, or the sender's own, which its map of codes may know.
    route=any_of("route") | lines,
    service=any_of("service") | lines,
    referred_on=days,
    person=persons,
    ground=every(GroundIn, basis=any_of("basis"), given_on=days, text=texts),
    labour_market=every(LabourMarketIn, status=any_of("labour_market_status"), since=days),
    reason=every(ReasonIn, goals=st.lists(any_of("goal"), max_size=10), text=texts),
    urgency=any_of("urgency"),
    sender=every(SenderIn, unit=names, name=names, phone=phones, email=emails),
)


@given(bodies, st.sampled_from([contained, bundled]))
@settings(max_examples=50, deadline=None)
def test_what_both_doors_can_say_survives(told: dict[str, Any], made: Callable[..., dict[str, Any]]) -> None:
    sent = made(*resources(told))
    read_back, _ = read(json.loads(json.dumps(sent)), OWN, TOWN)
    assert read_back == ReferralIn.model_validate(told)
    assert R4[sent["resourceType"]](sent, strict=True).as_json() == sent


@pytest.mark.parametrize("make", [service_request, transaction])
def test_every_value_knows_where_it_stood(make: Callable[..., dict[str, Any]]) -> None:
    sent = make()
    read_back, told = read(sent, OWN, TOWN)

    def at(pointer: str, value: Any) -> Any:
        for name in pointer.split("/")[1:]:
            value = value[int(name)] if isinstance(value, list) else value[name]
        return value

    def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if inner is None:
            yield pointer, value
        for name, one in inner or ():
            yield from leaves(one, f"{pointer}/{name}")

    for pointer, value in leaves(read_back.model_dump(mode="json", exclude_defaults=True)):
        stood = at(told.places[pointer], sent)
        assert value in (stood, "".join(stood)), pointer
