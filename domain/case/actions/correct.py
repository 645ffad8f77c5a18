"""correct 更正: the service, the priority, the caller or the place was taken down wrongly."""

from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar

from pydantic import Field

from domain.case.actions.complete import NOT_APPROVED
from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.intake import Caller, IntakeFacts, Location
from domain.case.lifecycle import OPEN, departments_of, text_of
from domain.case.new_terms import Moved, apply_terms, changed_terms, moved_promises, with_old_priority, with_priority
from domain.case.progress import ContactChange
from domain.case.state import Action, Addressees, CaseState, Decision, Event, EventData, NotPossible, Reasoned, Role
from domain.catalogue.terms import Edition, Priority, Terms
from domain.shared.actors import FORMER_CALLER
from domain.shared.codes import ServiceCode
from domain.shared.errors import VERSION_CHANGED, ProblemType, Refused
from domain.shared.phones import same_phone
from domain.shared.value import Value, omit_default

NOTHING_CORRECTED = ProblemType("invalid", "nothing_corrected", "Correction without a change", "没有更正任何内容")
TERMS_NOT_SENT = ProblemType(
    "invalid", "terms_not_sent", "Terms of the corrected service not sent", "缺少更正后服务项目的条款"
)
CONTACT_CHANGED = "contact_changed"
"""The flag of a case whose owner, then or later, has changed the caller's telephone (联系电话由责任人更改)."""
_CORRECTED_ZH = {"service_code": "服务类别", "priority": "优先级", "caller": "联系方式", "location": "地点"}
V = TypeVar("V", bound=Value)


class Correct(Reasoned):
    """更正 of at least one fact. Fields of `caller` and `location` that are left out stay; null clears them.

    For another service or district, the clocks follow its promises; what was consumed is kept. An address
    that is corrected without coordinates loses them.
    """

    service_code: ServiceCode | None = None
    priority: Priority | None = Field(None, description="Overrides the service's own; the clocks stay.")
    caller: Caller | None = None
    location: Location | None = None

    def decide(self, case: CaseState, _: object, at: datetime) -> Decision | NotPossible:
        """Refuse what changes nothing, and a service that is not looked up or needs a decision of management."""
        in_force, filled = (self.in_force, self.filled) if isinstance(self, Correction) else (None, ())
        if not {*filled} <= {*case.filled}:
            message = "Somebody has corrected what the registry had filled in. Send the same again."
            raise Refused(VERSION_CHANGED, message, (("重新提交同一更正", "the same correction once more"),))
        intake = case.intake
        service, location = self.service_code or intake.service_code, _located(intake.location, self.location)
        terms = self._terms(case, in_force, service, location.district)
        if case.completed and case.model_copy(update={"terms": terms}).needs_decision:
            why = f"its work is completed in cycle {case.cycle}, and {terms.name} is completed once management has"
            return NotPossible(NOT_APPROVED, f"{why} decided; send it back first (审核退回)")
        facts: dict[str, tuple[Any, Any]] = {
            "service_code": (intake.service_code, service),
            "priority": (case.terms.priority, terms.priority),
            "caller": (intake.caller, merged(intake.caller, self.caller)),
            "location": (intake.location, location),
        }
        changed = {name: values for name, values in facts.items() if values[0] != values[1]}
        if not changed:
            raise Refused(NOTHING_CORRECTED, f"The case {case.number} has these facts already.", tuple(facts))
        before = CorrectedFacts(**{name: old for name, (old, _) in changed.items()})
        after = CorrectedFacts(**{name: new for name, (_, new) in changed.items()})
        more: dict[str, Any] = {"filled": filled}
        if in_force and terms != case.terms:
            more |= {"catalogue": in_force.edition, "terms": terms, "changed": changed_terms(case.terms, terms)}
            more["moved"] = moved_promises(case, terms, at)
        return Decision(Corrected.of(self, before=before, after=after, **more))

    def _terms(self, case: CaseState, in_force: "CatalogueTerms | None", service: str, district: str | None) -> Terms:
        """Raise Refused if another service has come without its own terms."""
        if in_force and (in_force.terms.service_code, in_force.district) != (service, district):
            message = f"The case {case.number} was corrected meanwhile. Send it again."
            raise Refused(TERMS_NOT_SENT, message, (("重新提交同一请求", "the same request again"),))
        if in_force is None and service != case.intake.service_code:
            path = f"/v1/complaints/{case.number}/actions/correct"
            message = f"The terms of a service are looked up by the API: change the service over HTTP, by POST {path}."
            raise Refused(TERMS_NOT_SENT, message, (f"POST {path}", ("不填 service_code", "no service_code")))
        terms = with_old_priority(case.terms, in_force.terms) if in_force else case.terms
        return with_priority(terms, self.priority) if self.priority and self.priority != terms.priority else terms


class CatalogueTerms(Value):
    """Terms of a service in a district, by the catalogue of this edition."""

    terms: Terms
    edition: Edition
    district: str | None = None


class Correction(Correct):
    """Correction as the API sends it, with the terms of the service in the district that are right.

    `filled` are the fields that it takes from the registry, as the case had those of another customer.
    """

    in_force: CatalogueTerms | None = omit_default(None)
    filled: tuple[str, ...] = omit_default(())


class CorrectedFacts(EventData):
    """Facts that a correction changed, and no others."""

    service_code: str | None = None
    priority: Priority | None = None
    caller: Caller | None = None
    location: Location | None = None


class Corrected(Reasoned):
    """Facts before and after, and where the terms changed: their catalogue, what differs, each promise that moved."""

    before: CorrectedFacts
    after: CorrectedFacts
    catalogue: Edition | None = None
    terms: Terms | None = None
    changed: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()
    filled: tuple[str, ...] = omit_default((), "Facts that the registry has filled in, or has not.")

    @property
    def needs_recognition(self) -> bool:
        return not self.after.model_fields_set.isdisjoint({"service_code", "caller", "location"})

    @property
    def changes_phone(self) -> bool:
        """True as well if it is removed; the same number written otherwise is no other."""
        before, after = self.before.caller, self.after.caller
        return before is not None and after is not None and not same_phone(before.phone, after.phone)

    @property
    def former_phone(self) -> str | None:
        """None if it stays, or if there was none."""
        return self.before.caller.phone if self.before.caller and self.changes_phone else None

    def evolve(self, case: CaseState, event: Event) -> None:
        if self.terms:
            apply_terms(case, self.terms, event)
        elif self.after.priority:
            case.terms = with_priority(case.terms, self.after.priority)
        if self.needs_recognition:
            case.caller_version = event.seq
        if self.changes_phone:
            by_owner = event.actor == case.owner
            case.contact_changed = ContactChange(by=event.actor, at=event.at, by_owner=by_owner)
            case.set_flag(CONTACT_CHANGED, raised=by_owner)
            case.remove_flags(UNSUBSCRIBED)  # who unsubscribed may have been a stranger with the wrong number
        intake = case.intake
        case.corrected = IntakeFacts(
            service_code=self.after.service_code or intake.service_code,
            caller=self.after.caller or intake.caller,
            location=self.after.location or intake.location,
            priority=case.terms.priority if case.terms.priority_by_hand else None,
        )
        case.intake = case.corrected.of(intake)
        as_before = (each for each in case.filled if attrgetter(each)(case.intake) == attrgetter(each)(intake))
        case.filled = tuple(dict.fromkeys((*as_before, *self.filled)))

    def text(self, number: str, event: Event) -> tuple[str, str]:
        """Name what was corrected, and not from what to what: that is personal."""
        names = [name for name in _CORRECTED_ZH if name in self.after.model_fields_set]
        words = "、".join(_CORRECTED_ZH[name] for name in names), ", ".join(names)
        return text_of(number, event, f"更正{words[0]}", f"correct ({words[1]})")

    def notifies(self, case: CaseState, _: Event) -> Addressees:
        former = (FORMER_CALLER,) if self.former_phone else ()
        return ("assignee", *departments_of(case.unfinished), "owner", *former)


def merged(value: V, given: V | None) -> V:
    if given is None:
        return value
    return value.model_copy(update={name: getattr(given, name) for name in given.model_fields_set})


def _located(location: Location, given: Location | None) -> Location:
    """Correct the location; drop the coordinates of another address."""
    place = merged(location, given)
    if given is None or place.address == location.address or {"lat", "lng"} & given.model_fields_set:
        return place
    return place.model_copy(update={"lat": None, "lng": None})


ACTION = Action(
    name="correct",
    zh="更正",
    description="Facts of the intake are corrected; the clocks follow the promises of the right service.",
    roles={Role.AGENT, Role.OWNER, Role.DISPATCHER, Role.SUPERVISOR},
    sources=OPEN,
    extended_body=Correction,
    example=Correct(reason="The leak is two doors further on.", location=Location(address="莲塘东路18号")),
    problems=(NOTHING_CORRECTED, TERMS_NOT_SENT, NOT_APPROVED, VERSION_CHANGED),
    data=Corrected,
)
