"""Organisations, agreements and clients as their readers see them."""

from datetime import date

from polku_referral.admin.wire import AgreementOut, ClientOut, KeyOut, OrganisationOut
from polku_referral.directory import Met
from polku_referral.door.client_keys import fingerprints
from polku_referral.model.agreements import Agreement
from polku_referral.model.directory import Client, Organisation


def agreement(shown: Agreement, today: date) -> AgreementOut:
    return AgreementOut(**shown.model_dump(), in_force=shown.is_in_force(today))


def organisation(shown: Organisation, today: date) -> OrganisationOut:
    return OrganisationOut(
        **shown.model_dump(exclude={"agreements", "test"}),
        open=shown.is_open(today),
        restricted=bool(shown.agreements),
        agreements=[agreement(one, today) for one in shown.agreements],
    )


def client(shown: Client, met: Met) -> ClientOut:
    keys = []
    for key in shown.keys:
        marks = fingerprints(key)
        keys.append(
            KeyOut(
                kid=key["kid"],
                kind=key.get("crv", key["kty"]),
                thumbprint=marks.thumbprint,
                spki_sha256=marks.spki,
                used_at=met.used.get(marks.thumbprint),
            )
        )
    return ClientOut(
        **shown.model_dump(exclude={"keys"}),
        keys=keys,
        used_at=met.used_at,
        refused=met.refused,
        refused_at=met.refused_at,
    )
