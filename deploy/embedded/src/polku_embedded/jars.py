"""Kafka's jars: pinned by a SHA-256 each, fetched from the package registry, checked at every start."""

import errno
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from polku_embedded import Trouble
from polku_embedded.cache import arriving, cache_folder

if TYPE_CHECKING:
    from jgo.maven import MavenContext  # needed when Kafka is fetched, once; every `polku` command would wait for it

WANTED = (
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",
    "org.slf4j:slf4j-simple:1.7.36",  # without a backend Kafka says nothing when it fails
)
MANIFEST = "kafka-jars.sha256"
"""One line per jar: SHA-256 and coordinates. `python -m polku_embedded.jars` resolves and writes it anew."""
AT_ONCE = 8
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)

Pins = Mapping[str, str]
"""Coordinates → SHA-256."""


def manifest() -> Pins:
    """The pins as committed."""
    lines = files("polku_embedded").joinpath(MANIFEST).read_text("utf-8").splitlines()
    return {coordinates: digest for digest, coordinates in (line.split() for line in lines if line)}


def kafka_jars(pinned: Pins | None = None) -> Path:
    """The folder with exactly the pinned jars; fetches them when it is not there.

    Raises Trouble in one line for a jar that differs from its hash, and when the registry does not answer.
    """
    pins = pinned or manifest()
    name = hashlib.sha256("".join(sorted(pins.values())).encode()).hexdigest()[:12]
    target = cache_folder() / f"kafka-{name}"
    if not target.exists():
        with arriving(target) as folder:
            download(folder, pins, tell)
            check(folder, pins)
    check(target, pins)
    return target


def download(folder: Path, coordinates: Iterable[str], say: Callable[[str], None]) -> None:
    """Fetches each jar to `folder`; several at once. Raises Trouble when the registry does not give one."""
    wanted = list(coordinates)
    context = _registry(folder / ".registry")
    artifacts = [context.create_dependency(one).artifact for one in wanted]
    say(f"fetching Apache Kafka, {len(artifacts)} jars, about 54 MB …")
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number, jar in enumerate(pool.map(lambda artifact: artifact.resolve(), artifacts), 1):
                shutil.copy2(jar, folder / jar_name(wanted[number - 1]))
                if number % 20 == 0:
                    say(f"{number} of {len(artifacts)} jars")
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
            raise
        # The resolver raises whatever its HTTP client does and RuntimeError for a jar that is not there.
        raise Trouble(f"Kafka could not be fetched from the package registry ({type(error).__name__})") from None
    shutil.rmtree(folder / ".registry")


def check(folder: Path, pins: Pins) -> None:
    """Raises Trouble unless the folder holds exactly the pinned jars."""
    wanted = {jar_name(coordinates): digest for coordinates, digest in pins.items()}
    present = {jar.name: jar for jar in folder.glob("*.jar")}
    if present.keys() != wanted.keys():
        names = ", ".join(sorted(present.keys() ^ wanted.keys())[:3])
        raise Trouble(f"the jars in {folder} are not the pinned ones ({names}); remove the folder and try again")
    for name, digest in wanted.items():
        if sha256(present[name]) != digest:
            raise Trouble(f"{name} does not have its pinned SHA-256; remove {folder} and try again")


def jar_name(coordinates: str) -> str:
    _, artifact, version = coordinates.split(":")
    return f"{artifact}-{version}.jar"


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def tell(text: str) -> None:
    print(f"polku: {text}", file=sys.stderr, flush=True)  # noqa: T201


def lock() -> None:
    """Resolves what Kafka needs and writes the manifest; for a new version of Kafka."""
    from jgo.parse import Coordinate

    here = Path(__file__).with_name(MANIFEST)
    with tempfile.TemporaryDirectory() as folder:
        resolver = _registry(Path(folder))
        given, needed = resolver.resolver.resolve(
            [resolver.create_dependency(replace(Coordinate.parse(one), scope="compile")) for one in WANTED]
        )
        found = [*given, *(one for one in needed if one.scope in {"compile", "runtime"})]
        pins = {f"{one.groupId}:{one.artifactId}:{one.version}": sha256(one.artifact.resolve()) for one in found}
    here.write_text("".join(f"{digest} {coordinates}\n" for coordinates, digest in sorted(pins.items())), "utf-8")


def _registry(cache: Path) -> "MavenContext":
    """A client of the one registry, with a cache of its own: nothing of the user's is trusted or changed."""
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    return MavenContext(repo_cache=cache, remote_repos={"central": MAVEN_CENTRAL_URL})


if __name__ == "__main__":
    lock()
