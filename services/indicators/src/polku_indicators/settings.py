"""The settings of indicators: the shared ones, with batches as large as its transactions like them."""

from pydantic import Field

from polku_runtime.settings import Settings

SERVICE = "indicators"


class IndicatorsSettings(Settings):
    """Read from the environment, `POLKU_…`."""

    batch_records: int = Field(2000, ge=1)
    """One transaction carries a whole batch, so a larger one costs less for each event; it fits 16 MB easily."""
