"""The settings of indicators: the ones every service shares are enough."""

from polku_runtime.settings import Settings


class IndicatorsSettings(Settings):
    """Read from the environment, `POLKU_…`."""
