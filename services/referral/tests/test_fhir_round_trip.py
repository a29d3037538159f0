"""The same referral in JSON and in resources: nothing that both can say is lost, in either direction."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku_referral.fhir.reading import read
from polku_referral.wire import ReferralIn
from polku_web.codes import read_codes

from .fhir_material import OWN, R4, bundled, contained, resources, service_request, transaction
from .material import TOWN

codes_of = read_codes("polku_referral").lists
lines = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp", "Zs")), min_size=1, max_size=30
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf")) | st.just("\n"), max_size=60)
days = st.dates(date(1930, 1, 1), date(2030, 12, 31)).map(date.isoformat)


def any_of(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(codes_of[name]))


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that may leave any of these out."""
    return st.fixed_dictionaries({}, optional=fields)


contacts = {"phone": st.from_regex(r"\A[+0-9() -]{4,30}\Z"), "email": st.from_regex(r"\A[a-zåäö.]{1,9}@[a-z.]{1,9}\Z")}
names = st.lists(lines, min_size=1, max_size=3).map(" ".join)
persons = st.fixed_dictionaries(
    {"given_names": names, "family_name": names, "identity_code": st.from_regex(r"\A[0-9A-Z+-]{11}\Z")},
    optional=contacts
    | {
        "date_of_birth": days,
        "language": any_of("language"),
        "municipality": st.from_regex(r"\A[0-9]{3}\Z"),
        "protected_address": st.booleans(),
    },
)
bodies = st.fixed_dictionaries(
    {
        "external_id": st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}\Z"),
        "programme": any_of("programme"),
        "route": any_of("route"),
        "service": any_of("service"),
        "referred_on": days,
        "person": persons,
        "ground": st.fixed_dictionaries({"basis": any_of("basis"), "given_on": days}, optional={"text": texts}),
        "labour_market": st.fixed_dictionaries({"status": any_of("labour_market_status")}, optional={"since": days}),
        "reason": some(goals=st.lists(any_of("goal"), max_size=10), text=texts),
        "sender": st.fixed_dictionaries({"unit": names, "name": names}, optional=contacts),
    },
    optional={"urgency": any_of("urgency")},
)


@given(bodies, st.sampled_from([contained, bundled]))
@settings(max_examples=150, deadline=None)
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
