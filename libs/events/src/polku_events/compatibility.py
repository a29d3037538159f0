"""FULL_TRANSITIVE over JSON Schema: old readers bear new events and new readers bear old events, all versions.

Within a major version only additions of optional fields and changes of text are allowed. Everything else is
said with its place, so that the author can decide between another way and a new major version.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TEXT = {"title", "description", "examples", "default", "$comment"}
_STRUCTURE = {"properties", "required", "additionalProperties", "$defs", "$ref", "anyOf", "items", "type"}


def breaks(old: Schema, new: Schema) -> list[str]:
    """One sentence per difference that breaks a reader; empty when the two are compatible both ways."""
    return list(_object(_Document(old), old, _Document(new), new, ""))


def same_shape(one: Schema, other: Schema) -> bool:
    """Whether two schemas differ in nothing but text."""
    return not breaks(one, other) and not breaks(other, one)


class _Document:
    """Resolves references inside one schema document."""

    def __init__(self, root: Schema) -> None:
        self.root = root

    def resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            schema = {**self.root["$defs"][name], **{k: v for k, v in schema.items() if k in _TEXT}}
        return schema


def _object(old_doc: _Document, old: Schema, new_doc: _Document, new: Schema, at: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before.keys() - after.keys()):
        yield f"{at}{name}: removed"
    for name in sorted(after.keys() - before.keys()):
        if name in is_required:
            yield f"{at}{name}: a new field must be optional"
        if old.get("additionalProperties") is False:
            yield f"{at}{name}: older readers are closed against further fields"
    for name in sorted(before.keys() & after.keys()):
        if name in is_required - was_required:
            yield f"{at}{name}: became required; older events do not have it"
        if name in was_required - is_required:
            yield f"{at}{name}: became optional; older readers need it"
        yield from _value(old_doc, before[name], new_doc, after[name], f"{at}{name}")
    if old.get("additionalProperties") != new.get("additionalProperties"):
        yield f"{at or 'event'}: what is allowed of further fields changed"


def _value(old_doc: _Document, old: Schema, new_doc: _Document, new: Schema, at: str) -> Iterator[str]:
    old, new = old_doc.resolve(old), new_doc.resolve(new)
    if old.get("type") != new.get("type"):
        yield f"{at}: type changed from {old.get('type')} to {new.get('type')}"
        return
    for limit in sorted((old.keys() | new.keys()) - _TEXT - _STRUCTURE):
        if old.get(limit) != new.get(limit):
            yield f"{at}: {limit} changed from {old.get(limit)} to {new.get(limit)}"
    if "default" in old and "default" in new and old["default"] != new["default"]:
        # Old and new readers would take the same silence for different things.
        yield f"{at}: default changed from {old['default']} to {new['default']}"
    if old.get("type") == "object":
        yield from _object(old_doc, old, new_doc, new, f"{at}.")
    if "items" in old or "items" in new:
        yield from _value(old_doc, old.get("items", {}), new_doc, new.get("items", {}), f"{at}[]")
    variants_before, variants_after = old.get("anyOf", []), new.get("anyOf", [])
    if len(variants_before) != len(variants_after):
        yield f"{at}: another number of alternatives"
    for number, (one, other) in enumerate(zip(variants_before, variants_after, strict=False)):
        yield from _value(old_doc, one, new_doc, other, f"{at}({number})")
