"""The circuit breaker of a consumer."""

from collections.abc import Sequence


class Breaker:
    """Opens after `limit` dead records in a row, so that a bad deploy does not drain a topic into dead letters.

    It stays open until the process is started again: only a person knows whether the cause is gone.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.row = 0
        self.open = False

    def feed(self, dead: Sequence[bool]) -> int:
        """Takes the fates of a batch in order; answers how many records of it may be finished.

        Less than all means that the breaker has opened; the last finished record is the one that opened it.
        """
        for index, is_dead in enumerate(dead):
            self.row = self.row + 1 if is_dead else 0
            if self.row >= self.limit:
                self.open = True
                return index + 1
        return len(dead)
