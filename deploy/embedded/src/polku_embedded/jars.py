"""Kafka's jars: resolved by a pure-Python resolver, pinned by a SHA-256 each, checked at every start."""

import hashlib
import shutil
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import jgo

from polku_embedded import Trouble
from polku_embedded.cache import arriving, cache_folder

COORDINATES = (
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",
)
MANIFEST = "kafka-jars.sha256"


def manifest() -> dict[str, str]:
    """File name → SHA-256, as committed."""
    lines = files("polku_embedded").joinpath(MANIFEST).read_text("utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line)}


def kafka_jars(pinned: Mapping[str, str] | None = None) -> Path:
    """The folder with exactly the pinned jars; fetches them when it is not there.

    Raises Trouble in one line for a jar that differs from its hash, and when the registry does not answer.
    """
    wanted = pinned or manifest()
    name = hashlib.sha256("".join(sorted(wanted.values())).encode()).hexdigest()[:12]
    target = cache_folder() / f"kafka-{name}"
    if not target.exists():
        print("polku: fetching Apache Kafka (91 jars, 54 MB) …", file=sys.stderr, flush=True)  # noqa: T201
        with arriving(target) as folder:
            download(folder)
            check(folder, wanted)
    check(target, wanted)
    return target


def download(folder: Path) -> None:
    """Resolves the coordinates and copies their jars to `folder`."""
    work = folder / ".resolver"
    try:
        jgo.build("+".join(COORDINATES), cache_dir=work)
    except Exception as error:  # noqa: BLE001 - the resolver has no error of its own for what may go wrong
        raise Trouble(f"Kafka could not be fetched from the package registry ({type(error).__name__})") from None
    for jar in work.rglob("*.jar"):
        shutil.copy2(jar, folder / jar.name)
    shutil.rmtree(work)


def check(folder: Path, wanted: Mapping[str, str]) -> None:
    """Raises Trouble unless the folder holds exactly the pinned jars."""
    present = {jar.name: jar for jar in folder.glob("*.jar")}
    if present.keys() != wanted.keys():
        names = ", ".join(sorted(present.keys() ^ wanted.keys())[:3])
        raise Trouble(f"the jars in {folder} are not the pinned ones ({names}); remove the folder and try again")
    for name, digest in wanted.items():
        with present[name].open("rb") as jar:
            found = hashlib.file_digest(jar, "sha256").hexdigest()
        if found != digest:
            raise Trouble(f"{name} does not have its pinned SHA-256; remove {folder} and try again")
