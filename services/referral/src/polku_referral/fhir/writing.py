"""A referral as resources for its sender: the order that was sent, and the Task that says where it stands.

Made from what the JSON door would show the same reader, so that both show the same, and nothing of the person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from polku_referral.fhir import codes
from polku_referral.fhir.codes import Own, Profile
from polku_referral.model.referral import UNKNOWN
from polku_referral.wire import ReferralOut

Resource = dict[str, Any]
_PRIORITY = {urgency: priority for priority, urgency in codes.PRIORITIES.items()}
_REASONS: Mapping[str, str] = {
    "declined": "decline_reason",
    "withdrawn": "withdraw_reason",
    "withdrawal-requested": "withdraw_reason",
}
"""State → the list that its coded reason is of."""
_EXPLAINED = {"question": "question", "waitlisted": "waitlist", "forwarded": "forward", "expired": ""}
"""States that Task.status does not tell apart: the state itself is the reason, in the words of that kind of message."""
_SUBSETTED = {"system": codes.COMPLETENESS, "code": "SUBSETTED"}
_TRIAL = {"system": codes.ACT_REASON, "code": "HTEST"}
_DAYS = ("answer_due", "sender_due", "review_on", "starts_on")


@dataclass(frozen=True)
class Writer:
    """base: of the FHIR addresses. label: (code list, code) → words in the reader's language."""

    own: Own
    base: str
    organisation_id: str
    profile: Profile
    label: Callable[[str, str], str]

    def order(self, shown: ReferralOut) -> Resource:
        """The ServiceRequest: what was asked for, with the receipt when `shown` has it."""
        receipt = [self._extension("receipt", "valueString", shown.receipt)] if shown.receipt else []
        return {
            "resourceType": "ServiceRequest",
            **self._identity(shown),
            **_unless_empty(extension=receipt),
            "status": codes.ORDER[shown.state],
            "intent": "order",
            "category": [self._concept("programme", shown.programme), self._sent(shown, "route", "route", shown.route)],
            "priority": _PRIORITY.get(shown.urgency, "routine"),
            "code": self._sent(shown, "service", "service", shown.service),
            "subject": self._person(shown),
            "authoredOn": shown.referred_on.isoformat(),
            "requester": self._requester(),
        }

    def task(self, shown: ReferralOut) -> Resource:
        """The Task: how far the receiver is, in the words of the partner's profile."""
        fulfilment = codes.TASK[self.profile][shown.state]
        business = self._concept("state", shown.state)
        if fulfilment.business is not None:
            business["coding"].insert(0, {"system": codes.BSER, "code": fulfilment.business})
        return {
            "resourceType": "Task",
            **self._identity(shown),
            **_unless_empty(extension=self._extensions(shown)),
            "status": fulfilment.status,
            **_unless_empty(statusReason=self._reason(shown)),
            "businessStatus": business,
            "intent": "order",
            "priority": _PRIORITY.get(shown.urgency, "routine"),
            "code": {"coding": [{"system": codes.TASK_CODE, "code": "fulfill"}]},
            "focus": {"reference": f"ServiceRequest/{shown.id}"},
            "for": self._person(shown),
            **_unless_empty(executionPeriod=_period(shown.accepted_on, shown.concluded_on)),
            "authoredOn": _instant(shown.received_at),
            "lastModified": _instant(changed_at(shown)),
            "requester": self._requester(),
            "owner": {"display": self.label("programme", shown.programme)},
            **_unless_empty(note=self._notes(shown), output=self._output(shown)),
        }

    def searchset(self, resources: Sequence[Resource], total: int | None, links: Mapping[str, str]) -> Resource:
        """What was found, with links to this part of it and to the next. What it leaves out, the texts and receipts,
        is in the answer for one.
        """
        entry = [
            {
                "fullUrl": f"{self.base}/{one['resourceType']}/{one['id']}",
                "resource": {
                    **one,
                    "meta": {**one["meta"], "tag": [{"system": codes.COMPLETENESS, "code": "SUBSETTED"}]},
                },
                "search": {"mode": "match"},
            }
            for one in resources
        ]
        link = [{"relation": name, "url": address} for name, address in links.items()]
        counted = {} if total is None else {"total": total}
        return {"resourceType": "Bundle", "type": "searchset", **counted, "link": link, **_unless_empty(entry=entry)}

    def _identity(self, shown: ReferralOut) -> Resource:
        meta: Resource = {"versionId": str(shown.version), "lastUpdated": _instant(changed_at(shown))}
        if shown.test:
            meta["tag"] = [_TRIAL]
        identifier = {"system": self.own.referrals(self.organisation_id), "value": shown.external_id}
        return {"id": shown.id, "meta": meta, "identifier": [identifier]}

    def _person(self, shown: ReferralOut) -> Resource:
        """Whom it is about, by the code that people say to each other; nothing that a register knows."""
        return {"type": "Patient", "display": shown.case_code}

    def _requester(self) -> Resource:
        return {"reference": f"Organization/{self.organisation_id}"}

    def _concept(self, name: str, code: str, text: str | None = None) -> Resource:
        label = self.label(name, code)
        coding = {"system": self.own.codes(name.replace("_", "-")), "code": code, "display": label}
        return {"coding": [coding], "text": text or label}

    def _sent(self, shown: ReferralOut, field: str, name: str, code: str, text: str | None = None) -> Resource:
        """A code of the list `name`, with the sender's own beside it where it has one."""
        concept = self._concept(name, code, text) if code != UNKNOWN else {"coding": []}
        sent = {**shown.mapped, **shown.unmapped}.get(field)
        if sent is not None:
            concept["coding"].append({"system": self.own.senders_codes(self.organisation_id), "code": sent})
        return concept

    def _reason(self, shown: ReferralOut) -> Resource | None:
        name = _REASONS.get(shown.state)
        if name is not None and shown.reason is not None:
            return self._sent(shown, "reason", name, shown.reason, shown.reason_text)
        if shown.state in _EXPLAINED:
            said = [one.text for one in shown.messages or () if one.kind == _EXPLAINED[shown.state]]
            return self._concept("state", shown.state, said[-1] if said else None)
        return None

    def _extensions(self, shown: ReferralOut) -> list[Resource]:
        days = {name.replace("_", "-"): getattr(shown, name) for name in _DAYS}
        found = [self._extension(name, "valueDate", day.isoformat()) for name, day in days.items() if day is not None]
        if shown.forwarded_to is not None:
            found.append(self._extension("forwarded-to", "valueCode", shown.forwarded_to))
        found += [self._extension("unmapped", "valueCode", field) for field in sorted(shown.unmapped)]
        return found + [self._extension("command", "valueCode", command) for command in shown.commands]

    def _extension(self, name: str, kind: str, value: str) -> Resource:
        return {"url": self.own.extension(name), kind: value}

    def _notes(self, shown: ReferralOut) -> list[Resource]:
        return [
            {"authorString": message.party, "time": _instant(message.at), "text": message.text}
            for message in shown.messages or ()
        ]

    def _output(self, shown: ReferralOut) -> list[Resource]:
        if shown.outcome is None:
            return []
        kind = {"coding": [{"system": self.own.codes("task-output"), "code": "outcome"}]}
        return [{"type": kind, "valueCodeableConcept": self._sent(shown, "outcome", "outcome", shown.outcome)}]


def changed_at(shown: ReferralOut) -> datetime:
    """When what is shown came to be. Referrals from before there was a history have none."""
    return shown.history[-1].at if shown.history else shown.received_at


def _instant(at: datetime) -> str:
    """Always with milliseconds, since a search takes an instant for all the time that its digits leave open; always
    with Z, since the plus of an offset is a blank in an address that was not encoded.
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _period(start: date | None, end: date | None) -> Resource:
    """Either may be kept back by the agreement with the sender."""
    if start is not None and end is not None and end < start:
        end = None  # R4 knows no such period
    days = {"start": start, "end": end}
    return {name: day.isoformat() for name, day in days.items() if day is not None}


def _unless_empty(**elements: Any) -> Resource:
    """FHIR knows no empty element."""
    return {name: value for name, value in elements.items() if value}
