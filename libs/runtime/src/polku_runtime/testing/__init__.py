"""For the tests of services: decided effects, fakes that tell the truth, and fixtures over real servers."""

from polku_runtime.testing.effects import Clock, fixed_effects
from polku_runtime.testing.events import event
from polku_runtime.testing.fakes import FakeJournal, FakePublisher

__all__ = ["Clock", "FakeJournal", "FakePublisher", "event", "fixed_effects"]
