"""`python -m polku_events write | check`: the committed contracts and the models say the same.

write makes the schema of every type's newest version and the AsyncAPI document. check writes nothing and
fails when they are not fresh, when a version breaks an older one, or when a sample does not fit.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from polku_events import asyncapi, files
from polku_events.codec import Undecodable, UnknownType, decode
from polku_events.compatibility import breaks


def asyncapi_file() -> Path:
    return files.contracts().parent.parent / "docs" / "asyncapi.json"


def write() -> None:
    for kind in files.kinds():
        path = files.schema_file(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.as_text(files.schema(kind)), "utf-8")
    asyncapi_file().write_text(files.as_text(asyncapi.document()), "utf-8")


def problems() -> Iterator[str]:
    """One sentence for everything that is wrong."""
    seen = {(sample.event_type, sample.minor) for sample in files.samples()}
    for kind in files.kinds():
        path = files.schema_file(kind)
        present = files.schema(kind)
        if not path.exists() or path.read_text("utf-8") != files.as_text(present):
            yield f"{files.short(kind.TYPE)}: the committed schema is not the model's (python -m polku_events write)"
        for minor, older in files.released(kind):
            yield from (f"{files.short(kind.TYPE)} against minor {minor}: {said}" for said in breaks(older, present))
            if (kind.TYPE, minor) not in seen:
                yield f"{files.short(kind.TYPE)} minor {minor}: no sample"
    for sample in files.samples():
        try:
            decode(sample.value, sample.headers)
        except (Undecodable, UnknownType) as error:
            yield f"sample {sample.name}: {error}"
    path = asyncapi_file()
    if not path.exists() or path.read_text("utf-8") != files.as_text(asyncapi.document()):
        yield f"{path.name} is not fresh (python -m polku_events write)"


def main() -> None:
    match sys.argv[1:]:
        case ["write"]:
            write()
        case ["check"]:
            found = list(problems())
            for line in found:
                print(f"polku_events: {line}", file=sys.stderr)
            sys.exit(1 if found else 0)
        case _:
            sys.exit("usage: python -m polku_events write | check")


if __name__ == "__main__":
    main()
