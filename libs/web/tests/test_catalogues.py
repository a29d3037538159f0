"""The texts: complete in this package, and a check that would notice if they were not."""

from pathlib import Path

import pytest

from polku_web import catalogues
from polku_web.catalogues import Package, packages
from polku_web.i18n import Message, msg, texts

WEB = next(package for package in packages() if package.name == "polku_web")


def test_this_package_is_complete() -> None:
    assert catalogues.faults(WEB) == []


@pytest.fixture
def package(tmp_path: Path) -> Package:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.html").write_text('{{ _("Inbox") }} {{ ngettext("%(num)s day", "%(num)s days", 2) }}')
    (tmp_path / "b.py").write_text('from polku_web.i18n import msg\nTEXT = msg("Hello %(name)s", name="x")\n')
    return Package("demo", tmp_path)


def test_missing_untranslated_and_stale_texts_are_found(package: Package) -> None:
    assert [line for line in catalogues.faults(package) if "missing" in line] == [
        f"demo {lang}: missing: {text}"
        for lang in ("fi", "sv")
        for text in ("'%(num)s day'", "'Hello %(name)s'", "'Inbox'")
    ]
    catalogues.update(package)
    assert len([line for line in catalogues.faults(package) if "not translated" in line]) == 6
    for lang in ("fi", "sv"):
        po = package.po(lang)
        text = po.read_text().replace('msgid "Inbox"\nmsgstr ""', 'msgid "Inbox"\nmsgstr "Saapuneet"')
        text = text.replace('msgid "Hello %(name)s"\nmsgstr ""', 'msgid "Hello %(name)s"\nmsgstr "Hei %(nimi)s"')
        text = text.replace('msgstr[0] ""\nmsgstr[1] ""', 'msgstr[0] "%(num)s pv"\nmsgstr[1] "%(num)s pv"')
        po.write_text(text + '\nmsgid "Gone"\nmsgstr "Mennyt"\n')
    found = catalogues.faults(package)
    assert len(found) == 4
    assert "demo fi: not used any more: 'Gone'" in found
    assert any("Hello" in line for line in found), "a placeholder that the text does not have"


def test_updating_twice_changes_nothing(package: Package) -> None:
    catalogues.update(package)
    before = package.po("fi").read_bytes()
    catalogues.update(package)
    assert package.po("fi").read_bytes() == before


def test_wrong_calls_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert catalogues.main([]) == 2
    assert catalogues.main(["translate"]) == 2
    assert "usage" in capsys.readouterr().err


def test_texts_in_three_languages() -> None:
    web = texts("polku_web")
    message = msg("Target %(value)s", value=95)
    assert [web.say(lang, message) for lang in ("fi", "sv", "en")] == ["Tavoite 95", "Mål 95", "Target 95"]
    assert (
        web.of("fi")
        .ngettext("There is %(num)s thing to correct", "There are %(num)s things to correct", 2)
        .endswith("kohtaa korjattavana")
    )
    assert (web.say("fi", ""), web.say("sv", Message(""))) == ("", "")
    assert web.say("fi", "A name that nobody translates") == "A name that nobody translates"
