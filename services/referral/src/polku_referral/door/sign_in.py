"""The people's door: signing in with a password or a one-time link, signing out, and the way home."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku_referral.door.accounts import MAX_PASSWORD, MIN_PASSWORD, Accounts
from polku_runtime.access import Principal, Session, SessionSeal
from polku_web.door import clear_cookie, set_cookie
from polku_web.doors import check_same_site, staff, visit_of
from polku_web.forms import Fields
from polku_web.i18n import Message, msg
from polku_web.navigation import home
from polku_web.pages import render

SIGN_IN, SIGN_OUT, LINK = "/referral/sign-in", "/referral/sign-out", "/referral/link/{token}"
router = APIRouter(include_in_schema=False)


@router.get("/")
async def root(request: Request) -> Response:
    """To the reader's home by role; strangers to the sign-in page."""
    visit = await visit_of(request)
    return RedirectResponse(home(visit.principal if visit else None), 303)


@router.get(SIGN_IN)
async def sign_in_page(
    request: Request,
    next: str = "/",  # noqa: A002 - the address says `next`
    unsaved: str = "",
) -> Response:
    """unsaved: anything, when a form was sent after its session had ended."""
    if await visit_of(request) is not None:
        return RedirectResponse(way_on(next), 303)
    return render(request, "sign-in.html", way_on=way_on(next), login="", unsaved=unsaved, errors=Fields())


@router.post(SIGN_IN)
async def sign_in(request: Request) -> Response:
    """Starts a session, or says that login and password do not fit and nothing more."""
    check_same_site(request)
    form = await request.form()
    login, password, further = (str(form.get(name, "")) for name in ("login", "password", "next"))
    accounts: Accounts = request.app.state.accounts
    session = await accounts.sign_in(login[:200], password)
    if session is None:
        said = request.app.state.pages.texts.say(request.state.lang, DO_NOT_FIT)
        errors = Fields(login=said)
        more = {"way_on": way_on(further), "login": login[:200], "unsaved": "", "errors": errors}
        return render(request, "sign-in.html", 422, **more)
    return _started(request, session, way_on(further))


@router.get(LINK)
async def link_page(request: Request, token: str) -> Response:
    """Shows what the link does; only the button uses it up, so that a mail scanner does not."""
    holder = await request.app.state.directory.link_holder(token)
    member = await request.app.state.directory.staff.get(holder) if holder else None
    if member is None:
        return render(request, "link-over.html", 404)
    return render(request, "link.html", login=member.login, errors=Fields(), shortest=MIN_PASSWORD)


@router.post(LINK)
async def open_link(request: Request, token: str) -> Response:
    """Signs in by a one-time link; a password may be set on the way."""
    check_same_site(request)
    form = await request.form()
    password, again = str(form.get("password", "")), str(form.get("again", ""))
    directory = request.app.state.directory
    holder = await directory.link_holder(token)
    member = await directory.staff.get(holder) if holder else None
    if member is None:
        return render(request, "link-over.html", 404)
    wrong = _wrong_password(password, again)
    if wrong:
        texts, lang = request.app.state.pages.texts, request.state.lang
        errors = Fields({name: texts.say(lang, message) for name, message in wrong.items()})
        return render(request, "link.html", 422, login=member.login, errors=errors, shortest=MIN_PASSWORD)
    accounts: Accounts = request.app.state.accounts
    session = await accounts.open_link(token, password or None)
    if session is None:
        return render(request, "link-over.html", 404)
    return _started(request, session, "/")


@router.post(SIGN_OUT)
async def sign_out(request: Request, who: Annotated[Principal, Depends(staff())]) -> Response:
    """Ends this and every other session of the person, in all services."""
    accounts: Accounts = request.app.state.accounts
    await accounts.sign_out_everywhere(who.id)
    request.state.session_cookie = clear_cookie(_seal(request))
    return RedirectResponse(SIGN_IN, 303)


def way_on(asked: str) -> str:
    """Where to go after signing in: a path of this origin, never another site."""
    try:
        parts = urlsplit(asked)
    except ValueError:  # no address at all, as `//[`
        return "/"
    is_ours = not parts.scheme and not parts.netloc and asked.startswith("/") and not asked.startswith(("//", "/\\"))
    return asked if is_ours and parts.path != SIGN_IN else "/"


def _started(request: Request, session: Session, further: str) -> Response:
    request.state.session_cookie = set_cookie(_seal(request), session)
    return RedirectResponse(further, 303)


def _seal(request: Request) -> SessionSeal:
    settings = request.app.state.settings
    return SessionSeal(settings.session_keys.get_secret_value(), settings.base_url)


def _wrong_password(password: str, again: str) -> dict[str, Message]:
    if not password and not again:
        return {}
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        limits = {"shortest": MIN_PASSWORD, "longest": MAX_PASSWORD}
        return {"password": msg("Use %(shortest)s to %(longest)s characters.", **limits)}
    return {} if password == again else {"again": msg("The two passwords are not the same.")}


DO_NOT_FIT = msg("The login and the password do not fit, or there were too many tries. Check both and try again.")
