"""`python -m polku_web.catalogues extract | update | compile | check`: the texts of this package and of all services.

extract writes each package's `locale/messages.pot`; update brings fi and sv up to it; compile makes the `.mo`
files; check writes nothing and fails when a text is missing, not translated, or not used any more.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from polku_web.i18n import TRANSLATED

PACKAGES = ("polku_web", "polku_referral", "polku_pathway", "polku_activities", "polku_indicators")

METHODS = [("**/templates/**.html", "jinja2"), ("templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {pattern: {"encoding": "utf-8", "newstyle_gettext": "true"} for pattern, _ in METHODS}
KEYWORDS = {"_": None, "gettext": None, "msg": None, "ngettext": (1, 2)}


@dataclass(frozen=True)
class Package:
    name: str
    folder: Path

    def po(self, lang: str) -> Path:
        return self.folder / "locale" / lang / "LC_MESSAGES" / "messages.po"


def packages() -> Iterator[Package]:
    """Every installed package that may hold texts. Looked up without being imported."""
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            yield Package(name, Path(spec.origin).parent)


def extracted(package: Package) -> Catalog:
    """The texts that code and templates of `package` use now."""
    catalogue = Catalog(project=package.name, charset="utf-8")
    found = extract_from_dir(
        package.folder, method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS, comment_tags=("i18n:",)
    )
    for filename, line, message, comments, context in found:
        # Without line numbers: they would change with every edit and hide what really did.
        catalogue.add(message, None, [(Path(filename).as_posix(), 0)], auto_comments=comments, context=context)
        del line
    return catalogue


def update(package: Package) -> None:
    """Adds new texts to fi and sv, empty, and drops those that are not used any more."""
    template = extracted(package)
    for lang in TRANSLATED:
        path = package.po(lang)
        catalogue = _read(path, lang)
        # No fuzzy guesses: a text is translated by somebody or it is missing.
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_written(catalogue))


def faults(package: Package) -> list[str]:
    """What `check` complains about, one line each."""
    found: list[str] = []
    used = {message.id for message in extracted(package) if message.id}
    for lang in TRANSLATED:
        catalogue = _read(package.po(lang), lang)
        known = {message.id: message for message in catalogue if message.id}
        where = f"{package.name} {lang}"
        found += [f"{where}: missing: {_name(text)}" for text in used - known.keys()]
        found += [f"{where}: not used any more: {_name(text)}" for text in known.keys() - used]
        for message in known.values():
            texts = message.string if isinstance(message.string, list | tuple) else [message.string]
            if message.id in used and (message.fuzzy or not all(texts)):
                found.append(f"{where}: not translated: {_name(message.id)}")
            found += [f"{where}: {_name(message.id)}: {error}" for error in message.check(catalogue)]
    return sorted(found)


def compile_all(package: Package) -> None:
    """Writes the `.mo` beside each `.po`."""
    for lang in TRANSLATED:
        path = package.po(lang)
        if path.exists():
            compiled = BytesIO()
            write_mo(compiled, _read(path, lang))
            path.with_suffix(".mo").write_bytes(compiled.getvalue())


def _read(path: Path, lang: str) -> Catalog:
    if not path.exists():
        return Catalog(locale=lang, charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=lang)


def _written(catalogue: Catalog) -> bytes:
    catalogue.fuzzy = False
    catalogue.header_comment = (
        "# Texts of Polku; msgids are English. `python -m polku_web.catalogues update` keeps it current."
    )
    text = BytesIO()
    write_po(text, catalogue, width=110, sort_output=True, omit_header=False, include_lineno=False, no_location=True)
    # The header's dates would make every run a change, and nobody is named in it.
    lines = text.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(_HEADER_NOISE))


_HEADER_NOISE = tuple(
    f'"{name}'.encode()
    for name in ("POT-Creation", "PO-Revision", "Generated", "Project-Id", "Report-", "Last-", "Language-Team")
)


def _name(text: object) -> str:
    return repr(text[0] if isinstance(text, list | tuple) else text)


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 done, 1 check found faults, 2 wrong call."""
    commands = ("extract", "update", "compile", "check")
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.stderr.write(f"usage: python -m polku_web.catalogues {' | '.join(commands)}\n")
        return 2
    found: list[str] = []
    for package in packages():
        match arguments[0]:
            case "extract":
                path = package.folder / "locale" / "messages.pot"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(_written(extracted(package)))
            case "update":
                update(package)
            case "compile":
                compile_all(package)
            case _:
                found += faults(package)
    for line in found:
        sys.stderr.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
