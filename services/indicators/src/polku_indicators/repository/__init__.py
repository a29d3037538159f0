"""Every MongoDB query of the indicators: facts, the numbered views of states and counters, and the live pointer."""

from polku_indicators.repository.store import Store, Topics

__all__ = ["Store", "Topics"]
