"""Organisations, agreements and clients as their readers see them."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from polku_referral.admin.wire import AgreementOut, ClientOut, KeyOut, MemberOut, OrganisationOut
from polku_referral.directory import Met
from polku_referral.door.client_keys import fingerprints
from polku_referral.model.agreements import Agreement
from polku_referral.model.directory import Client, Organisation
from polku_referral.xroad.members import Member


def agreement(shown: Agreement, today: date) -> AgreementOut:
    return AgreementOut(**shown.model_dump(), in_force=shown.is_in_force(today))


def organisation(shown: Organisation, today: date) -> OrganisationOut:
    return OrganisationOut(
        **shown.model_dump(exclude={"agreements", "test"}),
        open=shown.is_open(today),
        restricted=bool(shown.agreements),
        agreements=[agreement(one, today) for one in shown.agreements],
    )


def key(public: Mapping[str, Any], met: Met) -> KeyOut:
    """public: a JWK that `client_keys.public_key` let pass."""
    marks = fingerprints(public)
    return KeyOut(
        kid=public["kid"],
        kind=public.get("crv", public["kty"]),
        thumbprint=marks.thumbprint,
        spki_sha256=marks.spki,
        used_at=met.used.get(marks.thumbprint),
    )


def client(shown: Client, met: Met) -> ClientOut:
    return ClientOut(
        **shown.model_dump(exclude={"keys"}),
        keys=[key(one, met) for one in shown.keys],
        used_at=met.used_at,
        refused=met.refused,
        refused_at=met.refused_at,
    )


def member(shown: Member, owner: Organisation) -> MemberOut:
    return MemberOut.model_validate({**shown._asdict(), "id": shown.client_id, "suspended": not owner.active})
