"""Kafka's jars: a wrong hash, a broken download, a full disk, an unreachable registry."""

import errno
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from polku_embedded import Trouble, jars
from polku_embedded.cache import cache_folder

CONTENT = {"a.b:one:1.0": b"one", "a.b:two:2.0": b"two"}
PINS = {coordinates: hashlib.sha256(content).hexdigest() for coordinates, content in CONTENT.items()}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLKU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def bring(monkeypatch: pytest.MonkeyPatch, content: dict[str, bytes], error: Exception | None = None) -> None:
    """The registry gives this; then it fails, if an error is given."""

    def download(folder: Path, coordinates: Iterable[str], say: Callable[[str], None]) -> None:
        for one in coordinates:
            (folder / jars.jar_name(one)).write_bytes(content[one])
            if error:
                raise error

    monkeypatch.setattr(jars, "download", download)


def test_the_pinned_jars_arrive_and_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, CONTENT)
    assert {jar.name for jar in jars.kafka_jars(PINS).iterdir()} == {"one-1.0.jar", "two-2.0.jar"}


def test_a_wrong_hash_is_named_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    bring(monkeypatch, {**CONTENT, "a.b:two:2.0": b"planted"})
    with pytest.raises(Trouble, match=r"two-2\.0\.jar does not have its pinned SHA-256"):
        jars.kafka_jars(PINS)
    assert list(cache.iterdir()) == []
    bring(monkeypatch, CONTENT)
    assert jars.kafka_jars(PINS).is_dir()


def test_a_jar_changed_in_the_cache_is_found_at_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, CONTENT)
    folder = jars.kafka_jars(PINS)
    (folder / "one-1.0.jar").write_bytes(b"planted")
    with pytest.raises(Trouble, match=r"one-1\.0\.jar does not have its pinned SHA-256"):
        jars.kafka_jars(PINS)


@pytest.mark.parametrize("name", ["extra-1.0.jar", "one-1.0.jar"])
def test_a_jar_too_many_or_too_few_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bring(monkeypatch, CONTENT)
    jar = jars.kafka_jars(PINS) / name
    jar.unlink() if jar.exists() else jar.write_bytes(b"?")
    with pytest.raises(Trouble, match=name):
        jars.kafka_jars(PINS)


def test_a_full_disk_is_one_line_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    bring(monkeypatch, CONTENT, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(Trouble, match="No space left on device"):
        jars.kafka_jars(PINS)
    assert list(cache.iterdir()) == []


def test_no_network_is_one_line_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(Trouble, match="could not be fetched from the package registry"):
        jars.kafka_jars({"org.slf4j:slf4j-simple:1.7.36": "0" * 64})
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("POLKU_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(Trouble, match="cannot be written: Not a directory"):
        cache_folder()


def test_the_committed_manifest_is_of_one_kafka() -> None:
    pins = jars.manifest()
    assert all(wanted in pins for wanted in jars.WANTED)
    assert all(len(digest) == 64 for digest in pins.values())
    assert len({jars.jar_name(coordinates) for coordinates in pins}) == len(pins)
