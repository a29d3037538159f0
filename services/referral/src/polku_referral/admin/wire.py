"""Organisations, agreements and clients as they stand in JSON."""

from datetime import date, datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from polku_referral.fields import PLAIN, Text, no_defaults
from polku_referral.model.directory import KINDS
from polku_referral.model.telling import RETURNS

Code = Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
Codes = Annotated[list[Code], Field(max_length=50)]
Name = Text
Kind = Annotated[str, Field(max_length=40, description=", ".join(KINDS))]
Scope = Literal["referrals:write", "referrals:read", "figures:read"]
MemberScope = Literal["referrals:write", "referrals:read"]
MEMBER_SCOPES: tuple[MemberScope, ...] = get_args(MemberScope)
Key = Annotated[str, Field(max_length=8192, description="A public key: JWK or PEM of P-256, Ed25519 or RSA.")]


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganisationChange(Wire):
    """What is left out stays as it is; `null` takes a value away."""

    model_config = ConfigDict(json_schema_extra=no_defaults)

    name: Name = ""
    kind: Kind = "other"
    business_id: Annotated[str | None, Field(max_length=20, description="Finnish business id, 1234567-8")] = None
    aliases: Annotated[list[Name], Field(max_length=20)] = []
    valid_from: date | None = None
    valid_until: date | None = None
    fhir_profile: Literal["sdoh", "bser"] = "sdoh"


class OrganisationIn(OrganisationChange):
    """code: short, unique, for good. kind: `other` when left out. fhir_profile: `sdoh` when left out."""

    code: Code
    name: Name


class AgreementIn(Wire):
    """An empty list leaves that open. returns: what goes back to the sender."""

    programmes: Codes = []
    routes: Codes = []
    services: Codes = []
    returns: Annotated[Codes, Field(description=", ".join(RETURNS))] = list(RETURNS)
    starts_on: date
    ends_on: date | None = None


class AgreementEnd(Wire):
    ends_on: date


class ClientIn(Wire):
    """Without a key and without a JWKS address a key pair is made; its private half is in the answer, once."""

    name: Annotated[str, Field(max_length=200, pattern=PLAIN)] = ""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    public_key: Key | None = None
    jwks_uri: Annotated[str | None, Field(max_length=2000, description="Where the client publishes its keys")] = None
    test: bool = False


class KeyIn(Wire):
    public_key: Key


class MemberIn(Wire):
    """A subsystem that comes in through the X-Road security server."""

    name: Annotated[str, Field(min_length=1, max_length=500, description="INSTANCE/CLASS/CODE/SUBSYSTEM")]
    scopes: Annotated[list[MemberScope], Field(min_length=1, max_length=2)] = list(MEMBER_SCOPES)
    test: bool = False


class AgreementOut(BaseModel):
    id: str
    programmes: list[str]
    routes: list[str]
    services: list[str]
    returns: list[str]
    starts_on: date
    ends_on: date | None
    in_force: bool


class OrganisationOut(BaseModel):
    """open: its machines may come in today. restricted: only what an agreement in force covers is taken in."""

    id: str
    code: str
    name: str
    kind: str
    business_id: str | None
    aliases: list[str]
    valid_from: date | None
    valid_until: date | None
    fhir_profile: str
    active: bool
    open: bool
    restricted: bool
    agreements: list[AgreementOut]
    version: int


class OrganisationList(BaseModel):
    items: list[OrganisationOut]
    next: str | None


class KeyOut(BaseModel):
    """thumbprint: RFC 7638. spki_sha256: of the SubjectPublicKeyInfo, hex. used_at: when a token was last got by it."""

    kid: str
    kind: str
    thumbprint: str
    spki_sha256: str
    used_at: datetime | None


class CallerOut(BaseModel):
    """Whoever comes in as an organisation. suspended: that one is not in use."""

    id: str
    organisation_id: str
    name: str
    scopes: list[str]
    test: bool
    active: bool
    suspended: bool
    used_at: datetime | None
    refused: int
    refused_at: datetime | None
    version: int


class ClientOut(CallerOut):
    tokens_valid_from: datetime
    jwks_uri: str | None
    keys: list[KeyOut]


class ClientList(BaseModel):
    items: list[ClientOut]


class MemberOut(CallerOut):
    """id: by which the audit trail knows it."""


class StrangerOut(BaseModel):
    name: str
    tries: int
    tried_at: datetime


class MemberList(BaseModel):
    """unknown: subsystems that have tried within 30 days and are registered for nobody, the latest first."""

    items: list[MemberOut]
    unknown: list[StrangerOut]


class NewClientOut(BaseModel):
    """private_key: a JWK that is shown this once and kept nowhere."""

    client: ClientOut
    token_endpoint: str
    audience: str
    private_key: dict[str, str] | None = None
