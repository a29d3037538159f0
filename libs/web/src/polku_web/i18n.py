"""Languages: which one a reader gets, and the texts in it.

Texts are English msgids in code and templates. A service's catalogue is laid over this package's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from gettext import NullTranslations
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES = ("fi", "sv", "en")
NAMES = {"fi": "Suomi", "sv": "Svenska", "en": "English"}
"""Each language by its own name, as the language switch shows it."""

TRANSLATED = ("fi", "sv")
"""Languages with a catalogue; English is the msgids themselves."""


@dataclass(frozen=True)
class Message:
    """A text to be said later, in whatever language the reader turns out to have."""

    msgid: str
    values: Mapping[str, Any] = field(default_factory=dict)


def msg(msgid: str, **values: Any) -> Message:
    """Marks `msgid` for the catalogues and keeps its `%(name)s` values beside it."""
    return Message(msgid, values)


@dataclass(frozen=True)
class Texts:
    """The catalogues of one service, by language."""

    by_language: Mapping[str, NullTranslations]

    def of(self, lang: str) -> NullTranslations:
        return self.by_language[lang]

    def say(self, lang: str, message: Message | str) -> str:
        """The text of `message` in `lang`; a plain string is a msgid without values."""
        said = Message(message) if isinstance(message, str) else message
        # Under no msgid a catalogue keeps its own head.
        text = self.of(lang).gettext(said.msgid) if said.msgid else ""
        return text % said.values if said.values else text


@cache
def texts(*packages: str) -> Texts:
    """Catalogues of `packages`, the later ones winning: `texts("polku_web", "polku_referral")`."""
    return Texts({lang: _merged(packages, lang) for lang in LANGUAGES})


def _merged(packages: tuple[str, ...], lang: str) -> NullTranslations:
    if lang not in TRANSLATED:
        return NullTranslations()
    merged = Translations()
    for package in packages:
        found = _read(Path(str(files(package))) / "locale" / lang / "LC_MESSAGES" / "messages.po")
        if found is not None:
            merged.merge(found)
    return merged


def _read(po: Path) -> Translations | None:
    """The compiled catalogue; compiled in memory when set-up has not, or when the source is newer."""
    mo = po.with_suffix(".mo")
    if mo.exists() and (not po.exists() or mo.stat().st_mtime >= po.stat().st_mtime):
        with mo.open("rb") as file:
            return Translations(file)
    if not po.exists():
        return None
    with po.open("rb") as file:
        catalogue = read_po(file)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def negotiate(*, asked: str | None, remembered: str | None, accepts: str, default: str) -> str:
    """The reader's language: asked for in the address, else remembered, else the browser's, else `default`.

    `accepts` is an Accept-Language header (RFC 9110 §12.5.4).
    """
    for choice in (asked, remembered):
        if choice in LANGUAGES:
            return str(choice)
    weighed: list[tuple[float, str]] = []
    for part in accepts.split(",")[:20]:
        tag, _, weight = part.partition(";")
        lang = tag.strip().split("-")[0].lower()
        if lang in LANGUAGES:
            weighed.append((_quality(weight), lang))
    best = max(weighed, key=lambda pair: pair[0], default=(0.0, default))
    return best[1] if best[0] > 0 else default


def _quality(weight: str) -> float:
    _, _, value = weight.replace(" ", "").partition("q=")
    try:
        return float(value) if value else 1.0
    except ValueError:
        return 0.0
