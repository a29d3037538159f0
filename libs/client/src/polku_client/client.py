"""The client: what an authority's system asks of Polku, one method each."""

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from polku_client.batches import ANSWER_S, Jobs, Progress, RowResult, send_batch
from polku_client.connection import Connection, Sleep
from polku_client.feed import LONGEST_WAIT_S, Event, read_feed
from polku_client.keys import KeySource, read_key
from polku_client.results import Checked, Referral
from polku_client.webhooks import Webhooks

API = "/referral/api/v1"
AGENT = "polku-client/0.1.0"
TIMEOUT_S = 30.0
JSON = {"content-type": "application/json"}
CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Client:
    """A machine of an organisation at one Polku.

        with Client("https://polku.example.fi", client_id, "private.pem") as polku:
            receipt = polku.push(referral).receipt

    base_url: the origin. key: private, as a path, PEM or JWK. audience: the issuer, when it is not the base_url.
    http: an httpx client of your own (a proxy, certificates); it stays yours to close.
    language: of messages in problems, `fi`, `sv` or `en`. patience_s: how long one call is tried again.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        key: KeySource,
        audience: str | None = None,
        http: httpx.Client | None = None,
        *,
        language: str = "en",
        patience_s: float = 60,
        sleep: Sleep = time.sleep,
    ) -> None:
        used = httpx.Client(timeout=TIMEOUT_S, headers={"user-agent": AGENT}) if http is None else http
        self._own = used if http is None else None
        self._language = {"accept-language": language}
        self.connection = Connection(
            base_url,
            client_id,
            read_key(key),
            used,
            audience=audience,
            patience_s=patience_s,
            sleep=sleep,
        )

        self.webhooks = Webhooks(self._send)
        self.jobs = Jobs(self._send, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections, unless they were given."""
        if self._own is not None:
            self._own.close()

    def push(self, referral: Mapping[str, Any], *, idempotency_key: str | None = None) -> Referral:
        """Sends a referral. Safe to repeat: the same again gives the same answer.

        When this returns the referral is durable, and `receipt` is the proof. Raises PolkuProblem 422
        `idempotency-mismatch` when other content was sent under the same external_id.
        """
        body = encode(referral)
        headers = {"idempotency-key": f'"{idempotency_key}"'} if idempotency_key else {}
        answer = self._send("POST", "/referrals", content=body, headers={**JSON, **headers})
        return Referral.read(answer.json(), is_new=answer.status_code == httpx.codes.CREATED, sent=body)

    def check(self, referral: Mapping[str, Any]) -> Checked:
        """Validates a referral as `push` would, and keeps nothing. Raises PolkuProblem with what is wrong."""
        told = self._send("POST", "/referrals?dry_run=true", content=encode(referral), headers=JSON).json()
        return Checked(exists=bool(told["exists"]), unmapped=told.get("unmapped") or {})

    def batch(
        self,
        referrals: Iterable[Mapping[str, Any]],
        *,
        dry_run: bool = False,
        atomic: bool = False,
        progress: Progress | None = None,
    ) -> list[RowResult]:
        """Sends many referrals, one result per row, in order; each row gets what `push` would have given it.

        atomic: one row that is wrong keeps all of a request (50 000 rows) out; up to 1 000 rows are in together or not
        at all, of more each is checked before the first is written. progress: told (done, total). Safe to
        repeat, row by row. Raises NotDone, and PolkuProblem for what is wrong with the whole.
        """
        query = {"atomic": "all" if atomic else "item", "dry_run": "true" if dry_run else "false"}
        rows = [encode(one) for one in referrals]
        return send_batch(self._send, self.jobs, rows, query=query, progress=progress)

    def import_file(
        self, file: str | Path, *, confirm: bool = False, valid_rows: bool = False, progress: Progress | None = None
    ) -> list[RowResult]:
        """Checks a CSV or XLSX file, one result per line; with `confirm` takes it in, if all of it is in order.

        valid_rows: takes in what is in order although other lines are not. `row` is the line as a spreadsheet counts;
        a receipt is about the whole file. Safe to repeat. Raises PolkuProblem for a file or headings that cannot be
        read.
        """
        raw = Path(file).read_bytes()
        found = self.jobs.outcome(self._import(file, raw, confirm=confirm, valid_rows=valid_rows), progress)
        return [dataclasses.replace(one, sent=raw) for one in found]

    def import_copy(self, file: str | Path) -> bytes:
        """The file again with the columns `tila` and `virhe`, as a check sees it now."""
        raw = Path(file).read_bytes()
        answer = self._import(file, raw, valid_rows=True, report="copy")
        if answer.status_code == httpx.codes.ACCEPTED:  # a large one is checked as a job, and marked afterwards
            job = self.jobs.done(answer.json()["id"])
            answer = self._import(file, raw, report="copy", job=job.id)
        return answer.content

    def _import(
        self,
        file: str | Path,
        raw: bytes,
        *,
        confirm: bool = False,
        valid_rows: bool = False,
        report: str = "rows",
        job: str | None = None,
    ) -> httpx.Response:
        query = {"mode": "confirm" if confirm else "check", "valid_rows": json.dumps(valid_rows), "report": report}
        query |= {"job": job} if job else {}
        headers = {"content-type": XLSX if Path(file).suffix.lower() == ".xlsx" else CSV}
        return self._send("POST", "/referrals/import", params=query, content=raw, headers=headers, timeout=ANSWER_S)

    def get(self, referral_id: str) -> Referral:
        """Where a referral stands. Raises PolkuProblem 404."""
        return Referral.read(self._send("GET", f"/referrals/{referral_id}").json())

    def find(self, external_id: str) -> Referral | None:
        """The referral with the sender's own id; None when it was never taken in."""
        items = self._send("GET", "/referrals", params={"external_id": external_id}).json()["items"]
        return Referral.read(items[0]) if items else None

    def withdraw(self, referral: Referral | str, reason: str, text: str = "") -> Referral:
        """Takes a referral back that was not answered yet. reason: of the code list `withdraw_reason`.

        As all commands: a `Referral` is changed in the version that was seen, an id in the present one; the same
        again changes nothing. Raises PolkuProblem 409: `lost-race`, with the present state in `present`, when somebody
        was faster, `wrong-state` when this is not among its `commands`.
        """
        return self._command(referral, "withdraw", {"reason": reason, "text": text})

    def request_withdrawal(self, referral: Referral | str, reason: str, text: str = "") -> Referral:
        """Asks for an accepted referral back; the project confirms it, or the work is done already."""
        return self._command(referral, "request-withdrawal", {"reason": reason, "text": text})

    def answer(self, referral: Referral | str, text: str) -> Referral:
        """Answers the project's question."""
        return self._command(referral, "answer", {"text": text})

    def correct_contact(self, referral: Referral | str, **changes: str | bool | None) -> Referral:
        """Corrects `phone`, `email`, `municipality` or `protected_address`; None takes one away."""
        return self._command(referral, "correct-contact", changes)

    def sandbox(self, referral: Referral | str, command: str, **body: Any) -> Referral:
        """A test client plays the project's part: `accept`, `decline`, `ask`, `waitlist`, `forward`,
        `confirm-withdrawal`, `expire` or `conclude` on a test referral of its own.
        """
        return self._command(referral, f"sandbox/{command}", body)

    def events(
        self, after: str | None = None, *, follow: bool = False, wait_s: int = LONGEST_WAIT_S, limit: int = 100
    ) -> Iterator[Event]:
        """What became of the sender's referrals, in order, from a cursor on (None: all that is kept; `now`: only
        what comes). follow: waits for news for ever.

        Keep `event.cursor` once the event is handled, and begin with it next time: then none is missed, and one may
        come twice. Raises PolkuProblem 410 when the cursor is older than what is kept.
        """

        def page(query: Mapping[str, Any]) -> Mapping[str, Any]:
            patient = httpx.Timeout(TIMEOUT_S, read=TIMEOUT_S + query.get("wait", 0))
            told: dict[str, Any] = self._send("GET", "/events", params=query, timeout=patient).json()
            return told

        return read_feed(page, after, follow=follow, wait_s=wait_s, limit=limit)

    def receipt_keys(self) -> dict[str, Any]:
        """The keys that verify receipts (JWKS, RFC 7517), to be saved with them."""
        keys: dict[str, Any] = self.connection.public(self.connection.metadata()["jwks_uri"]).json()
        return keys

    def _command(self, referral: Referral | str, name: str, body: Mapping[str, Any]) -> Referral:
        seen = self.get(referral) if isinstance(referral, str) else referral
        headers = {**JSON, "if-match": f'"{seen.version}"'}
        answer = self._send("POST", f"/referrals/{seen.id}/{name}", content=encode(body), headers=headers)
        return Referral.read(answer.json())

    def _send(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        return self.connection.send(method, API + path, headers={**self._language, **(headers or {})}, **more)


def encode(body: Mapping[str, Any]) -> bytes:
    """The bytes that are sent for a body. The same content gives the same bytes, so a receipt stays good."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_as_text).encode()


def _as_text(value: object) -> str:
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
