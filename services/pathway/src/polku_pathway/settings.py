"""Settings of the pathway service: what all services share, and nothing of its own."""

from polku_runtime.settings import Settings


class PathwaySettings(Settings):
    """Read from `POLKU_…`."""
