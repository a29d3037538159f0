"""The four services as the embedded edition runs them together."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from polku_activities import app as activities
from polku_activities.settings import ActivitiesSettings
from polku_indicators import app as indicators
from polku_indicators.settings import IndicatorsSettings
from polku_pathway import app as pathway
from polku_pathway.settings import PathwaySettings
from polku_referral import app as referral
from polku_referral.settings import ReferralSettings
from polku_runtime.settings import Settings
from polku_runtime.worker import Worker


class Part(NamedTuple):
    settings: type[Settings]
    create_api: Callable[..., Any]
    create_worker: Callable[..., Worker]


PARTS: Mapping[str, Part] = {
    "referral": Part(ReferralSettings, referral.create_api, referral.create_worker),
    "pathway": Part(PathwaySettings, pathway.create_api, pathway.create_worker),
    "activities": Part(ActivitiesSettings, activities.create_api, activities.create_worker),
    "indicators": Part(IndicatorsSettings, indicators.create_api, indicators.create_worker),
}
DOOR = "referral"
"""Serves everything that is under no service's prefix: /, /problems, /.well-known."""
