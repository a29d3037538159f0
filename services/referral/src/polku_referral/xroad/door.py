"""Who passes behind the security server: it says by header which member calls, and is believed.

The gate stands before the whole app. It takes the X-Road headers off the request and hands the member's name on as
the caller's credentials, so that the doors, the limits and the rules behind them are those of every other machine.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Sent

from polku_referral.audit import Audit, Look, as_id
from polku_referral.directory import Directory
from polku_referral.door.refusals import Refusals
from polku_referral.model.xroad import UNKNOWABLE, Message, member_of, message_of
from polku_referral.xroad.description import ELSEWHERE
from polku_referral.xroad.members import Member, Members
from polku_runtime.access import Principal
from polku_runtime.trouble import is_infrastructure
from polku_web import answers
from polku_web.doors import SAFE_METHODS, Visit
from polku_web.formats import local_day
from polku_web.problems import Problem, unavailable

OPENS = ("/referral/api/v1/", "/openapi.json", "/problems")
"""Where a member may come. What the app has for its operator and for browsers is not there."""
NOT_HERE = ("/referral/api/v1/openapi.json", "/referral/api/v1/docs")
"""Of those: the API as it is elsewhere, with tokens. Here it is described by `/openapi.json`."""
REFUSED = 400
CALLED, NOT_LET_IN = "x-road", "x-road-refused"
"""Names of actions in the audit trail."""
NOBODYS = "-"
"""No member's name."""


class MembersDoor:
    """Implements `doors.Door`: nobody signs in here, and a caller is the member that the security server names."""

    csrf_keys: Sequence[bytes] = ()

    def __init__(self, members: Members, directory: Directory, audit: Audit, refusals: Refusals) -> None:
        self.members = members
        self.directory = directory
        self.audit = audit
        self.refusals = refusals

    async def visit(self, request: Request) -> Visit | None:  # noqa: ARG002 - the protocol's
        return None

    async def client(self, token: str) -> Principal | None:
        """Raises Problem 400 when the header names nobody, 403 when who it names may not come in."""
        name = member_of(token)
        if name is None:
            raise Problem(400, "x-road-client")
        member = await self.members.get(name)
        if member is None or not await self._lets_in(member):
            told = message_of({"x-road-id": name}).id
            await self.refusals.note(NOT_LET_IN, told, member.client_id if member else None)
            if told == name:
                await self.members.note_refusal(name)
            raise Problem(403, "x-road-member")
        await self.members.note_use(member)
        return Principal(
            kind="client",
            id=member.client_id,
            organisation_id=member.organisation_id,
            scopes=frozenset(member.scopes),
            test=member.test,
        )

    async def _lets_in(self, member: Member) -> bool:
        owner = await self.directory.organisations.get(member.organisation_id)
        today = local_day(self.directory.effects.now())
        return member.active and owner is not None and owner.is_open(today)


class Gate:
    """ASGI middleware of this listener alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        message = self._take(scope)
        if not scope["path"].startswith(OPENS) or scope["path"] in NOT_HERE:
            scope["path"], scope["raw_path"] = ELSEWHERE, ELSEWHERE.encode()
            if scope["method"] not in SAFE_METHODS:
                # A form for a token, or FHIR, would be refused for its type: its body is of no interest here.
                scope["method"] = "GET"

        is_command, is_lost = scope["method"] not in SAFE_METHODS, False

        async def send_written(sent: Sent) -> None:
            """Before the caller hears of it, and after it is known which referral it was, the row is written."""
            nonlocal is_lost
            if is_command and sent["type"] == "http.response.start" and sent["status"] < REFUSED:
                try:
                    await _write(scope, Headers(raw=sent["headers"]), message)
                except Exception as error:
                    if not is_infrastructure(error):
                        raise
                    # The command is kept, its row is not: the caller repeats it, and then both are.
                    is_lost = True
                    problem = unavailable()
                    await answers.answer(Request(scope), problem)(scope, receive, send)
            if not is_lost:
                await send(sent)

        await self.app(scope, receive, send_written)

    def _take(self, scope: Scope) -> Message:
        """What the call says of itself. Afterwards the member's name stands where a token would."""
        said = Headers(scope=scope)
        named = said.getlist("x-road-client")
        headers = MutableHeaders(scope=scope)
        del headers["cookie"]
        headers["authorization"] = f"Bearer {named[0] if len(named) == 1 and named[0] else NOBODYS}"
        return message_of(said)


async def _write(scope: Scope, answered: Headers, message: Message) -> None:
    """One row per command that was carried out; of many at once that were answered, one per referral."""
    who: Principal | None = scope["state"].get("principal")
    address = answered.get("location", "") or scope["path"]
    # Of the referral or, for many at once, of the job.
    about = next((part for part in address.split("/") if as_id(part) == part), UNKNOWABLE)
    audit: Audit = scope["app"].state.door.audit
    # Each once: a file may name a referral twice.
    referrals = dict.fromkeys(scope["state"].get("referrals") or [about])
    await audit.write(who, [Look(None, CALLED, about=one, message=message._asdict()) for one in referrals])
