"""The settings of referral: what all services share, the master key, and which identity codes are real here."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from polku_runtime.settings import Settings


class ReferralSettings(Settings):
    """Read from `POLKU_…`."""

    master_key_file: Path
    """96 random bytes. Whoever has them and the database can read the persons; losing them loses all."""
    identity_codes: Literal["artificial", "real"] = "real"
    """A production service refuses the artificial range (900–999), a test one accepts only it."""
    clock_seconds: float = Field(60, gt=0)
    """How often the worker looks for referrals whose day to answer comes near, or has passed."""
    spare_keys: int = Field(16, ge=0)
    """Data keys made beforehand, so that a new person does not wait for one."""
