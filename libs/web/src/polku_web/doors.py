"""Who may pass: FastAPI dependencies that turn a session or a token into a `Principal`, or refuse.

    @router.get("/referral/inbox")
    async def inbox(request: Request, who: Annotated[Principal, Depends(staff("coordinator"))]) -> HTMLResponse: ...

Roles and scopes open a function. Which persons and referrals are behind it is decided in the query.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request

from polku_runtime.access import Principal
from polku_web.i18n import msg
from polku_web.limits import spend
from polku_web.problems import Problem
from polku_web.queries import check_query

Dependency = Callable[[Request], Awaitable[Principal]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


@dataclass(frozen=True)
class Entry:
    """A dependency that also says whom it lets in, so that the OpenAPI document can.

    roles: people with one of them, any when empty; None: no people. scopes: machines with all of them; None: none.
    """

    check: Dependency
    roles: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None

    async def __call__(self, request: Request) -> Principal:
        return await self.check(request)


@dataclass(frozen=True)
class Visit:
    """A person with an open session. `cookie` is the renewed one to send back, if it is time for that."""

    principal: Principal
    session: str
    cookie: str | None = None


class Door(Protocol):
    """What a service's doors need to know about sessions and tokens; `app.state.door`."""

    csrf_keys: Sequence[bytes]
    """Newest first; a form made under an older key of the ring still passes."""

    async def visit(self, request: Request) -> Visit | None:
        """The person behind the session cookie: None when absent, expired, revoked or forged."""

    async def client(self, token: str) -> Principal | None:
        """The machine behind a bearer token: None when it is not valid here and now.

        Raises Problem 503 when that cannot be told yet.
        """


def staff(*roles: str) -> Dependency:
    """A signed-in person with one of `roles` (any, when none is named).

    Nobody signed in: 401 (pages go to the sign-in page). Another role, or a machine: 403. An unsafe method without
    the session's own token, or from another site: 403.
    """

    async def dependency(request: Request) -> Principal:
        visit = await visit_of(request)
        if visit is None:
            if await _machine(request) is not None:
                # Not 401: a new token would change nothing.
                raise Problem(403, "forbidden", msg("This is for people who have signed in, not for machines."))
            raise not_signed_in()
        if request.method not in SAFE_METHODS:
            await _check_origin_and_token(request, visit)
        if roles and not visit.principal.has_role(*roles):
            raise Problem(403, "forbidden")
        return visit.principal

    return Entry(dependency, roles=roles)


def client(*scopes: str) -> Dependency:
    """A machine client whose token carries all of `scopes`: else 401 or 403; 429 when it asks too much.

    What its query says is known there and said once, else 422.
    """

    async def dependency(request: Request) -> Principal:
        principal = await _machine(request)
        if principal is None:
            raise not_signed_in(with_token=bool(_bearer(request)))
        if not principal.scopes.issuperset(scopes):
            raise Problem(403, "insufficient-scope", headers={"www-authenticate": _challenge(scopes)})
        check_query(request)
        request.state.principal = principal
        return principal

    return Entry(dependency, scopes=scopes)


def staff_or_client(*, roles: tuple[str, ...] = (), scopes: tuple[str, ...] = ()) -> Dependency:
    """Either kind of caller: a bearer token decides that it is a machine."""
    as_client, as_staff = client(*scopes), staff(*roles)

    async def dependency(request: Request) -> Principal:
        return await (as_client if _bearer(request) else as_staff)(request)

    return Entry(dependency, roles=roles, scopes=scopes)


async def visit_of(request: Request) -> Visit | None:
    """The signed-in person, looked up once per request; None for nobody. Never refuses."""
    state = request.state
    if not hasattr(state, "visit"):
        state.visit = await _door(request).visit(request)
        state.principal = state.visit.principal if state.visit else None
        if state.visit is not None and state.visit.cookie is not None:
            state.session_cookie = state.visit.cookie  # the edge sends it
    found: Visit | None = state.visit
    return found


def csrf_token(request: Request) -> str:
    """The token that this session's forms carry; empty when nobody is signed in."""
    visit: Visit | None = getattr(request.state, "visit", None)
    return "" if visit is None else _token(_door(request).csrf_keys[0], visit.session)


def check_same_site(request: Request) -> None:
    """Refuses an unsafe request that a page of another site caused. Raises Problem 403 `cross-site`.

    Enough by itself where there is no session yet, as on the sign-in form.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise Problem(403, "cross-site")
    origin = request.headers.get("origin")
    if origin is not None:
        ours = {urlsplit(request.app.state.settings.base_url).netloc, request.headers.get("host")}
        if origin.partition("://")[2] not in ours:
            raise Problem(403, "cross-site")


def expected_version(request: Request) -> int:
    """The version in `If-Match: "3"`. Raises Problem 428 when it is absent, 400 when it is not one."""
    stated = request.headers.get("if-match")
    if stated is None:
        raise Problem(428, "version-required", msg("Send If-Match with the version that you saw."))
    found = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', stated.strip())
    if found is None:
        raise Problem(400, "malformed", msg("If-Match must hold one version."))
    return int(found[1])


def lost_race(present: object = None) -> Problem:
    """Somebody was faster: 409, with the present state (JSON-ready) when the caller may see it."""
    return Problem(409, "lost-race", more={} if present is None else {"present": present})


def not_signed_in(*, with_token: bool = False) -> Problem:
    """401, which tells a machine whose token does not hold that it needs another one (RFC 6750 §3.1)."""
    if not with_token:
        return Problem(401, "not-signed-in", headers={"www-authenticate": "Bearer"})
    detail = msg("The access token does not hold, or not any more: get a new one.")
    return Problem(401, "not-signed-in", detail, headers={"www-authenticate": 'Bearer error="invalid_token"'})


async def _check_origin_and_token(request: Request, visit: Visit) -> None:
    check_same_site(request)
    sent = request.headers.get(CSRF_HEADER)
    if sent is None and "/api/" not in request.url.path:
        field = (await request.form()).get(CSRF_FIELD)
        sent = field if isinstance(field, str) else None
    given = (sent or "").encode()
    if not any(hmac.compare_digest(given, _token(key, visit.session).encode()) for key in _door(request).csrf_keys):
        raise Problem(403, "csrf")


def _token(key: bytes, session: str) -> str:
    return hmac.new(key, b"polku-csrf:" + session.encode(), hashlib.sha256).hexdigest()


async def _machine(request: Request) -> Principal | None:
    """Whose token it is; None for none that holds. Raises Problem 429, 503."""
    token = _bearer(request)
    principal = await _door(request).client(token) if token else None
    if principal is not None:
        await spend(request, principal.id)
    return principal


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _challenge(scopes: tuple[str, ...]) -> str:
    return f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door
