"""One figure with its goal and, where there is one, the ceiling that was measured beside it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """at_least / at_most: the goal for `value`; least_share: the goal for value ÷ ceiling."""

    name: str
    value: float
    unit: str
    ceiling: float | None = None
    ceiling_name: str = ""
    at_least: float | None = None
    at_most: float | None = None
    least_share: float | None = None

    @property
    def share(self) -> float | None:
        return self.value / self.ceiling if self.ceiling else None

    @property
    def met(self) -> bool:
        return (
            (self.at_least is None or self.value >= self.at_least)
            and (self.at_most is None or self.value <= self.at_most)
            and (self.least_share is None or (self.share or 0) >= self.least_share)
        )

    def row(self) -> tuple[str, ...]:
        goals = [f"≥ {self.at_least:g}" if self.at_least else "", f"≤ {self.at_most:g}" if self.at_most else ""]
        goals.append(f"share ≥ {self.least_share:g}" if self.least_share else "")
        ceiling = f"{self.ceiling:,.0f} ({self.ceiling_name})" if self.ceiling else ""
        share = f"{self.share:.2f}" if self.share is not None else ""
        said = f"{self.value:,.1f} {self.unit}"
        return self.name, said, ceiling, share, " ".join(filter(None, goals)), "yes" if self.met else "no"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "share": self.share, "met": self.met}
