"""The resources of one request, and what refers to what: a ServiceRequest with contained ones, or a transaction."""

from collections.abc import Iterator, Mapping
from typing import Any

from polku_referral.fhir.parts import OF_THE_COPY, Part
from polku_referral.texts import WRONG
from polku_web.problems import Error, from_validation

Resource = Mapping[str, Any]


class Message:
    """errors: what was found to be wrong so far, each at its JSON pointer into the body."""

    def __init__(self) -> None:
        self.errors: list[Error] = []
        self.parts: list[Part] = []
        self._known: dict[str, tuple[Resource, str]] = {}
        self._opened: dict[str, Part] = {}

    def wrong(self, at: str, code: str) -> None:
        self.errors.append(Error(at, code, WRONG[code]))

    def must_be(self, part: Part, name: str, *allowed: str) -> None:
        value = part.take(name)
        if isinstance(value, str) and value not in allowed:
            self.wrong(part.place(name), "unknown-code")

    def add(self, name: object, resource: object, at: str) -> None:
        """name: what a reference to it says."""
        name = name if isinstance(name, str) else at
        if name in self._known:
            self.wrong(at, "not-valid")
        elif isinstance(resource, dict):
            self._known[name] = (resource, at)

    def open(self, resource: Resource, at: str) -> Part:
        if at not in self._opened:
            part = self._opened[at] = Part(resource, at, self.parts)
            meta = part.part("meta")
            if meta is not None:
                meta.pass_over(*OF_THE_COPY)
            for inner in part.parts("contained"):
                self.add(f"#{inner.value.get('id')}", inner.value, inner.at)
                inner.pass_over()  # it is opened when something refers to it
        return self._opened[at]

    def only(self, kind: str) -> Part | None:
        """The one resource of a kind among those that stand for themselves; None when there is none, or several."""
        found = [known for known in self._known.values() if known[0].get("resourceType") == kind]
        return self.open(*found[0]) if len(found) == 1 else None

    def follow(self, reference: Part | None, kind: str) -> Part | None:
        """The resource that a Reference means; what leads nowhere, or to another kind, is told."""
        if reference is None:
            return None
        name = reference.take("reference")
        reference.pass_over("type")
        found, at = self._known.get(name, ({}, "")) if isinstance(name, str) else ({}, "")
        if found.get("resourceType") == kind:
            return self.open(found, at)
        self.wrong(reference.place("reference"), "unknown-reference")
        return None

    def same(self, reference: Part | None, kind: str, other: Part | None) -> None:
        """Tells of a Reference that leads to another resource than `other`, which was followed before."""
        found = self.follow(reference, kind)
        if found is not None and other is not None and found is not other and reference is not None:
            self.wrong(reference.place("reference"), "unknown-reference")

    def left(self) -> Iterator[Error]:
        """What nothing referred to, and what nobody took of the rest."""
        for _, at in self._known.values():
            if at not in self._opened:
                yield unknown(at)
        for part in self.parts:
            yield from map(unknown, part.left())


def unknown(at: str) -> Error:
    """What is not known at its place: the words that the JSON door has for a field."""
    (error,) = from_validation([{"type": "extra_forbidden", "loc": ("body",)}]).errors
    return Error(at, error.code, error.message)


def unpacked(sent: Resource) -> tuple[Message, Part | None]:
    """The message and its only ServiceRequest; None, and an error, when there is not exactly one."""
    message = Message()
    if sent.get("resourceType") == "ServiceRequest":
        return message, message.open(sent, "")
    bundle = message.open(sent, "")
    bundle.pass_over("identifier", "timestamp")  # of the envelope
    if bundle.take("type") != "transaction":
        message.wrong("/type", "unknown-code")
    for entry in bundle.parts("entry"):
        resource = entry.take("resource")
        if not isinstance(resource, dict):  # the library would take text that holds JSON, too
            message.wrong(entry.place("resource"), "not-valid")
        message.add(entry.take("fullUrl"), resource, entry.place("resource"))
        _check_request(entry, resource.get("resourceType") if isinstance(resource, dict) else None, message)
    order = message.only("ServiceRequest")
    if order is None:
        message.wrong("/entry", "one-order")
    return message, order


def _check_request(entry: Part, kind: object, message: Message) -> None:
    request = entry.part("request")
    if request is None:
        message.wrong(entry.place("request"), "needed")
        return
    if request.take("method") != "POST":
        message.wrong(request.place("method"), "only-post")
    if request.take("url") != kind:
        message.wrong(request.place("url"), "unknown-code")
    request.take("ifNoneExist")
