"""Pages for people: one Jinja environment per service and language, with what every page needs.

    return pages.render(request, "inbox.html", referrals=found)

Templates see `_`, `ngettext`, `lang`, `principal`, `csrf`, `now`, `static(name)`, `here(**query)`,
`target_bar(…)`, `time_line(…)`, and the filters `day`, `clock`, `moment`, `ago`, `number`, `percent`, `say`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import BytecodeCache, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from starlette.requests import Request
from starlette.responses import HTMLResponse

from polku_runtime.effects import Effects
from polku_web import charts, formats, navigation
from polku_web.doors import csrf_token
from polku_web.i18n import LANGUAGES, NAMES, Texts
from polku_web.static import Static


class _Compiled(BytecodeCache):
    """Templates compiled once for all languages, which differ in what is called and not in the code."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.known[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


@dataclass(frozen=True)
class Pages:
    """What renders one service's pages; `app.state.pages`."""

    service: str
    texts: Texts
    static: Static
    effects: Effects
    environments: Mapping[str, Environment]


def open_pages(service: str, package: str, texts: Texts, static: Static, effects: Effects) -> Pages:
    """The service's own templates come first; `base.html`, `parts.html` and the rest are found behind them."""
    environments = {lang: _environment(package, texts, static, effects, lang) for lang in LANGUAGES}
    return Pages(service, texts, static, effects, environments)


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """The page in the reader's language."""
    pages: Pages = request.app.state.pages
    lang: str = request.state.lang
    principal = getattr(request.state, "principal", None)
    text = (
        pages.environments[lang]
        .get_template(template)
        .render(
            request=request,
            lang=lang,
            languages=NAMES,
            service=pages.service,
            principal=principal,
            navigation=navigation.items_for(principal, request.url.path),
            csrf=csrf_token(request),
            cursor=getattr(request.state, "live_cursor", ""),
            here=_here(request),
            now=pages.effects.now(),
            **context,
        )
    )
    return HTMLResponse(text, status)


def fragment_or_page(request: Request, fragment: str, page: str, status: int = 200, **context: Any) -> HTMLResponse:
    """The fragment's template alone when htmx asks for a part of the page, else the whole page."""
    return render(request, fragment if is_partial(request) else page, status, **context)


def is_partial(request: Request) -> bool:
    """True when htmx asked and wants a part. A boosted link or a history restore wants the whole page."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-request-type") != "full"


def _here(request: Request) -> Callable[..., str]:
    """`here(lang="sv")` is this address with other query values; None takes one out."""

    def here(**changes: Any) -> str:
        query = dict(parse_qsl(request.url.query))
        query.update({key: str(value) for key, value in changes.items() if value is not None})
        kept = {key: value for key, value in query.items() if changes.get(key, "") is not None}
        return request.url.path + (f"?{urlencode(kept)}" if kept else "")

    return here


def _environment(package: str, texts: Texts, static: Static, effects: Effects, lang: str) -> Environment:
    loaders = [PackageLoader("polku_web", "templates")]
    if package != "polku_web":
        loaders.insert(0, PackageLoader(package, "templates"))
    environment = Environment(
        loader=ChoiceLoader(loaders),
        extensions=["jinja2.ext.i18n"],
        bytecode_cache=_COMPILED,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(texts.of(lang), newstyle=True)  # type: ignore[attr-defined]
    say = partial(texts.say, lang)
    environment.globals.update(
        static=static.url,
        has_static=static.has,
        target_bar=partial(charts.target_bar, say=say, lang=lang),
        time_line=partial(charts.time_line, say=say, lang=lang),
    )
    environment.filters.update(_filters(effects, lang), say=say)
    return environment


def _filters(effects: Effects, lang: str) -> dict[str, Callable[..., str]]:
    def ago(value: datetime | None) -> str:
        return formats.ago(value, effects.now(), lang)

    def number(value: float | None, decimals: int = 0) -> str:
        return formats.number(value, lang, decimals)

    def percent(value: float | None, decimals: int = 0) -> str:
        return formats.percent(value, lang, decimals)

    return {
        "day": lambda value: formats.day(value, lang),
        "clock": lambda value: formats.clock(value, lang),
        "moment": lambda value: formats.moment(value, lang),
        "ago": ago,
        "number": number,
        "percent": percent,
    }
