"""Settings of the activities service: what all services share, and nothing of its own."""

from polku_runtime.settings import Settings


class ActivitiesSettings(Settings):
    """Read from `POLKU_…`."""
