"""Set-up: planted wrong hashes, no network, folders that cannot be written; a next try that goes on."""

import base64
import hashlib
import importlib.util
import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from polku_embedded.folder import CHECKOUT


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """deploy/setup.py as if its checkout were a temporary folder."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(CHECKOUT / "deploy" / "setup.py", tmp_path / "deploy" / "setup.py")
    spec = importlib.util.spec_from_file_location("polku_setup", tmp_path / "deploy" / "setup.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    return module


def wheel(folder: Path) -> Path:
    """The smallest package that pip takes."""
    file = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("tiny.py", "")
        content.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        content.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        content.writestr("tiny-1.0.dist-info/RECORD", "")
    return file


def require(folder: Path, name: str, file: Path, digest: str = "") -> None:
    (folder / "requirements").mkdir(exist_ok=True)
    digest = digest or hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "requirements" / name).write_text(f"tiny @ {file.as_uri()} --hash=sha256:{digest}\n")


def test_a_python_package_with_another_hash_stops_it(setup: ModuleType, tmp_path: Path) -> None:
    require(tmp_path, "bootstrap.txt", wheel(tmp_path), "0" * 64)
    setup.make_venv()
    with pytest.raises(SystemExit, match="Python packages: a package does not have its pinned hash") as stopped:
        setup.install_packages()
    assert "\n" not in str(stopped.value)


def test_no_network_is_said_as_such(setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "bootstrap.txt").write_text(f"uv==0.0.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    setup.make_venv()
    with pytest.raises(SystemExit, match="Python packages: the package registry does not answer"):
        setup.install_packages()


def test_a_front_end_package_with_another_hash_stops_it_and_the_next_try_works(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "FRONT_END", {"tiny.js": "tiny/tiny.js"})
    with tarfile.open(tmp_path / "tiny.tgz", "w:gz") as content:
        for name, text in (("package.json", b'{"name": "tiny", "version": "1.0.0"}'), ("tiny.js", b"1")):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            content.addfile(entry, io.BytesIO(text))
    right = "sha512-" + base64.b64encode(hashlib.sha512((tmp_path / "tiny.tgz").read_bytes()).digest()).decode()
    wrong = "sha512-" + base64.b64encode(bytes(64)).decode()
    depends = {"dependencies": {"tiny": "file:tiny.tgz"}}
    (tmp_path / "package.json").write_text(json.dumps({"name": "front", **depends}))
    for integrity in (wrong, right):
        packages = {
            "": {"name": "front", **depends},
            "node_modules/tiny": {"version": "1.0.0", "resolved": "file:tiny.tgz", "integrity": integrity},
        }
        lock = {"name": "front", "lockfileVersion": 3, "requires": True, "packages": packages}
        (tmp_path / "package-lock.json").write_text(json.dumps(lock))
        if integrity == wrong:
            with pytest.raises(SystemExit, match="front-end files: a package does not have its pinned hash"):
                setup.install_front_end()
            assert not setup.VENDOR.exists()
        else:
            setup.install_front_end()
    assert [file.name for file in setup.VENDOR.iterdir()] == ["tiny.js"]


def test_a_step_that_failed_is_done_again_and_one_that_is_done_is_not(setup: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("1")
    done: list[int] = []

    def fails() -> None:
        setup.fail("no")

    with pytest.raises(SystemExit):
        setup.once("step", [source], fails)
    for _ in range(2):
        setup.once("step", [source], lambda: done.append(1))
    assert done == [1]
    source.write_text("2")
    setup.once("step", [source], lambda: done.append(2))
    assert done == [1, 2]


def test_a_checkout_that_cannot_be_written_is_one_line(setup: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "build").touch()
    with pytest.raises(SystemExit, match="cannot be written: Not a directory"):
        setup.one_at_a_time()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("Collecting x\nERROR: [Errno 28] No space left on device\n", "the disk is full"),
        ("npm error code ENOTFOUND\nnpm error errno ENOTFOUND", "the package registry does not answer"),
        ("error: Failed to fetch: `x`\n  cause: Hash mismatch for `x`", "a package does not have its pinned hash"),
        ("one\nerror: something else\nthree", "error: something else"),
        ("", ""),
    ],
)
def test_causes_in_plain_words(setup: ModuleType, output: str, said: str) -> None:
    assert setup.cause(output).startswith(said)


def test_the_lock_pins_by_content_and_names_no_registry() -> None:
    """npm writes addresses into it unless it is told `--omit-lockfile-registry-resolved`."""
    packages = json.loads((CHECKOUT / "package-lock.json").read_text("utf-8"))["packages"]
    del packages[""]
    assert {name for name, one in packages.items() if "resolved" in one or "integrity" not in one} == set()
