"""When a webhook is tried again, by the rules alone."""

from datetime import timedelta

import pytest

from polku_referral.model.webhook import LONGEST, QUIET, SCHEDULE_S, next_try, quiet_until
from polku_runtime.testing import Clock, fixed_effects


def test_the_schedule(clock: Clock) -> None:
    """Ten tries within three days, each a little earlier than planned so that many do not come at once."""
    chance, begun, tries, delays = fixed_effects(seed=3).random, clock.now, 1, []
    while due := next_try(
        kind="referral.received", tries=tries, first_at=begun, now=clock.now, retry_after=None, chance=chance
    ):
        delays.append((due - clock.now).total_seconds())
        clock.now = due
        tries += 1
    assert tries == len(SCHEDULE_S) == 10
    assert all(0.9 * planned <= delay <= planned for planned, delay in zip(SCHEDULE_S[1:], delays, strict=True))
    assert timedelta(days=2.5) < clock.now - begun < LONGEST


@pytest.mark.parametrize(("asked", "hours"), [(3600, 1), (10 * 86_400, 72), (1, None)])
def test_what_a_receiver_asks_for_is_bounded(clock: Clock, asked: float, hours: float | None) -> None:
    chance = fixed_effects().random
    due = next_try(kind="x", tries=1, first_at=clock.now, now=clock.now, retry_after=asked, chance=chance)
    assert due is not None
    wanted = timedelta(hours=hours) if hours else due - clock.now
    assert (due - clock.now, due - clock.now <= LONGEST, due - clock.now >= timedelta(seconds=4)) == (
        wanted,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("status", "asked", "seconds"),
    [
        (503, 600.0, 600),
        (429, 1e9, QUIET.total_seconds()),
        (503, None, None),
        (503, 0.0, None),
        (500, 600.0, None),
        (None, None, None),
    ],
)
def test_who_is_left_alone_and_for_how_long(
    clock: Clock, status: int | None, asked: float | None, seconds: float | None
) -> None:
    until = quiet_until(status=status, retry_after=asked, now=clock.now)
    assert until == (None if seconds is None else clock.now + timedelta(seconds=seconds))
