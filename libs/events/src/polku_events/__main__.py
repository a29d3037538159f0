"""`python -m polku_events write | check`: the committed contracts and the models say the same.

write makes the schema of every type's newest version and the AsyncAPI document; a committed version changes in
nothing but its text. check writes nothing and fails when they are not fresh, when a version breaks an older
one, when a released type or version is gone, or when a sample does not fit.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from polku_events import asyncapi, files
from polku_events.base import EventData
from polku_events.codec import Undecodable, UnknownType, decode
from polku_events.compatibility import breaks, same_shape
from polku_events.registry import EVENT_TYPES, service_of


def asyncapi_file() -> Path:
    return files.contracts().parent.parent / "docs" / "asyncapi.json"


def write() -> list[str]:
    """Writes what may be written; one sentence for every version that would no longer be what was committed."""
    refused = []
    for kind in files.kinds():
        path, present = files.schema_file(kind), files.schema(kind)
        committed = dict(files.released(kind)).get(kind.MINOR)
        if committed is not None and not same_shape(committed, present):
            refused.append(
                f"{files.short(kind.TYPE)}: minor {kind.MINOR} is committed and its fields stay as they are; "
                "raise MINOR (if it has never left this checkout, remove its file first)"
            )
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.as_text(present), "utf-8")
    if not refused:
        asyncapi_file().write_text(files.as_text(asyncapi.document()), "utf-8")
    return refused


def problems() -> Iterator[str]:
    """One sentence for everything that is wrong."""
    for kind in files.kinds():
        yield from _of_kind(kind)
    for event_type in sorted(files.released_types() - EVENT_TYPES.keys()):
        yield f"{files.short(event_type)}: released, and no model reads it any more"
    for sample in files.samples():
        yield from _of_sample(sample)
    path = asyncapi_file()
    if not path.exists() or path.read_text("utf-8") != files.as_text(asyncapi.document()):
        yield f"{path.name} is not fresh (python -m polku_events write)"


def _of_kind(kind: type[EventData]) -> Iterator[str]:
    name, path, present = files.short(kind.TYPE), files.schema_file(kind), files.schema(kind)
    released = files.released(kind)
    if not path.exists() or path.read_text("utf-8") != files.as_text(present):
        yield f"{name}: the committed schema is not the model's (python -m polku_events write)"
    minors = [minor for minor, _ in released]
    if minors != list(range(kind.MINOR + 1)):
        yield f"{name}: minors 0 to {kind.MINOR} should be committed, not {minors}"
    sampled = {sample.minor for sample in files.samples() if sample.event_type == kind.TYPE}
    for minor, older in released:
        yield from (f"{name} against minor {minor}: {said}" for said in breaks(older, present))
        if minor not in sampled:
            yield f"{name} minor {minor}: no sample"


def _of_sample(sample: files.Sample) -> Iterator[str]:
    try:
        event = decode(sample.value, sample.headers)
    except (Undecodable, UnknownType) as error:
        yield f"sample {sample.name}: {error}"
        return
    subject = getattr(event.data, event.data.SUBJECT)
    wanted = (f"/polku/{service_of(event.type)}", subject, event.data.partition_key, sample.minor)
    if (event.source, event.subject, event.partition_key, event.minor) != wanted:
        yield f"sample {sample.name}: its headers do not fit its data or its place"


def main() -> None:
    match sys.argv[1:]:
        case ["write"]:
            found = write()
        case ["check"]:
            found = list(problems())
        case _:
            sys.exit("usage: python -m polku_events write | check")
    for line in found:
        print(f"polku_events: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
