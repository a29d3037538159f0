"""The settings of referral: what all services share, the master key, and which identity codes are real here."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from polku_referral.webhooks.addresses import read_allowed
from polku_runtime.settings import Settings


class ReferralSettings(Settings):
    """Read from `POLKU_…`."""

    master_key_file: Path
    """96 random bytes. Whoever has them and the database can read the persons; losing them loses all."""
    identity_codes: Literal["artificial", "real"] = "real"
    """A production service refuses the artificial range (900–999), a test one accepts only it."""
    xroad_port: int | None = Field(None, ge=1, le=65535)
    """Where the X-Road security server is listened to (docs/x-road.md); none: nowhere."""
    xroad_host: str = "127.0.0.1"
    xroad_certificate: Path | None = None
    """Of this listener, PEM; with `xroad_key`."""
    xroad_key: Path | None = None
    xroad_client_ca: Path | None = None
    """PEM: who signs the security server's own certificate, or that certificate itself."""
    xroad_client_fingerprints: str = ""
    """SHA-256 of the only certificates that are let in, hex, separated by commas; empty: all that the CA has signed."""
    clock_seconds: float = Field(60, gt=0)
    """How often the worker looks for referrals whose day to answer comes near, or has passed."""
    webhook_allow: str = ""
    """Hosts and networks that webhooks may have although they are not public, with commas between: also over http and
    on any port. For tests and closed networks."""
    webhook_timeout: float = Field(20.0, gt=0)
    """Seconds for one post to a webhook in all."""
    spare_keys: int = Field(16, ge=0)
    """Data keys made beforehand, so that a new person does not wait for one."""

    @field_validator("webhook_allow")
    @classmethod
    def _is_readable(cls, value: str) -> str:
        read_allowed(value)
        return value
