"""A sender's webhooks: registered, verified, their secrets changed, what was tried looked at and sent again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import httpx

Send = Callable[..., httpx.Response]


@dataclass(frozen=True)
class Webhook:
    """state: `unverified` until the address has answered the challenge, `active`, or `disabled` with its cause.

    secret: what deliveries are verified with, `whsec_…` or `whpk_…`; told once, when it is made or changed.
    """

    id: str
    url: str
    state: str
    events: tuple[str, ...]
    scheme: str
    cause: str | None
    said: Mapping[str, Any]
    secret: str | None = None

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        return cls(
            id=said["id"],
            url=said["url"],
            state=said["state"],
            events=tuple(said["events"]),
            scheme=said["scheme"],
            cause=said.get("cause"),
            said={name: value for name, value in said.items() if name != "verify_with"},
            secret=said.get("verify_with"),
        )


@dataclass(frozen=True)
class Attempt:
    """One try of one delivery. status: of the answer; error: what kept one from arriving."""

    delivery: str
    type: str
    number: int
    at: datetime
    status: int | None
    error: str | None


class Webhooks:
    """`client.webhooks`. All raise PolkuProblem."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def register(self, url: str, events: Sequence[str] = (), scheme: str = "v1") -> Webhook:
        """A new webhook, with its secret. The address hears a `webhook.challenge` and answers with it.

        events: those that it wants; all when none is named. scheme: `v1`, a shared secret, or `v1a`, a public key.
        """
        return self._webhook("POST", "", json={"url": url, "events": list(events), "scheme": scheme})

    def list(self) -> list[Webhook]:
        return [Webhook.read(one) for one in self._send("GET", "/webhooks").json()["items"]]

    def get(self, webhook_id: str) -> Webhook:
        return self._webhook("GET", f"/{webhook_id}")

    def verify(self, webhook_id: str) -> Webhook:
        """Asks for a new challenge."""
        return self._webhook("POST", f"/{webhook_id}/verify")

    def rotate(self, webhook_id: str) -> str:
        """A new secret. For a day the old one signs beside it: give both to `verify_webhook` until then."""
        return str(self._send("POST", f"/webhooks/{webhook_id}/rotate").json()["verify_with"])

    def enable(self, webhook_id: str) -> Webhook:
        """Goes on with a disabled one from where it stopped."""
        return self._webhook("POST", f"/{webhook_id}/enable")

    def remove(self, webhook_id: str) -> None:
        """Nothing more is sent to it. The feed stays."""
        self._send("DELETE", f"/webhooks/{webhook_id}")

    def replay(self, webhook_id: str, *, after: str | None = None, since: datetime | None = None) -> None:
        """Sends everything after a cursor of the feed, or since an instant, again; the ids stay the same."""
        wish = {"after": after} if since is None else {"since": since.isoformat()}
        self._send("POST", f"/webhooks/{webhook_id}/replay", json=wish)

    def attempts(self, webhook_id: str) -> Iterator[Attempt]:
        """Every try of the last 90 days, newest first."""
        query: dict[str, str] = {}
        while True:
            told = self._send("GET", f"/webhooks/{webhook_id}/attempts", params=query).json()
            for one in told["items"]:
                at = datetime.fromisoformat(one["at"])
                yield Attempt(one["delivery"], one["type"], one["number"], at, one.get("status"), one.get("error"))
            if not told["next"]:
                return
            query = {"after": told["next"]}

    def _webhook(self, method: str, path: str, **more: Any) -> Webhook:
        return Webhook.read(self._send(method, f"/webhooks{path}", **more).json())
