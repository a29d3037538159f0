"""Who listens to whom: data for the AsyncAPI document and for the test that every consumer reads every sample."""

from collections.abc import Mapping

LISTENERS: Mapping[str, tuple[str, ...]] = {
    "referral": ("pathway", "referral"),
    "pathway": ("referral",),
    "activities": ("referral", "pathway"),
    "indicators": ("referral", "pathway", "activities"),
}
"""Consumer → the services whose topics it reads."""
