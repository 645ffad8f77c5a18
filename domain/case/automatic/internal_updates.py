"""Internal updates of a case: another catalogue, what is known of its caller, a failed delivery."""

from datetime import datetime

from domain.case.intake import IntakeFlag
from domain.case.new_terms import Moved, apply_terms, changed_terms, moved_promises, with_old_priority
from domain.case.progress import CatalogueChange, FailedDelivery, recipient_of
from domain.case.state import CaseState, Event, EventData, EventKind
from domain.catalogue.terms import USUAL_CLASS, CustomerClass, Edition, Terms
from domain.shared.value import Value, omit_default

SAME_TERMS = "same_terms"
"""The answer of a case that nothing changes for."""


class NewTerms(Value):
    """Terms that a case would have under a catalogue, and which catalogue that is."""

    terms: Terms
    edition: Edition
    acknowledged: int = omit_default(0, "The version that SQL has: the answer holds what came after it.")


class CatalogueChanged(EventData):
    """New terms, the catalogue that they are of, what differs in them, and each promise that moved."""

    catalogue: Edition
    terms: Terms
    changed: tuple[str, ...]
    moved: tuple[Moved, ...]

    def evolve(self, case: CaseState, event: Event) -> None:
        apply_terms(case, self.terms, event)
        case.catalogue_change = CatalogueChange(seq=event.seq, at=event.at, catalogue=self.catalogue)


def is_change(case: CaseState, new: NewTerms, at: datetime) -> bool:
    return with_old_priority(case.terms, new.terms) != case.terms and case.is_active(at)


def changed_data(case: CaseState, new: NewTerms, at: datetime) -> CatalogueChanged:
    terms = with_old_priority(case.terms, new.terms)
    return CatalogueChanged(
        catalogue=new.edition,
        terms=terms,
        changed=changed_terms(case.terms, terms),
        moved=moved_promises(case, terms, at),
    )


CATALOGUE_CHANGE = EventKind(
    name="catalogue_change",
    zh="改用新服务目录",
    description="Another catalogue is in force; the event gives reasons for moved due times.",
    data=CatalogueChanged,
)


KNOWN = "known"
"""The answer of a case that knows all of this about its caller."""


class Recognised(EventData):
    """Recognition of a caller: flags, cases that may be the same matter, and the class by which credits are owed."""

    flags: tuple[IntakeFlag, ...]
    possible_duplicates: tuple[str, ...] = ()
    customer_class: CustomerClass = omit_default(USUAL_CLASS, "As the registry has it (客户类别).")
    caller_version: int = omit_default(1, "Version that names this caller: 1, or a correction.")

    def evolve(self, case: CaseState, _: Event) -> None:
        """Flag the case; credits that were owed before keep their amount."""
        is_other = self.caller_version > 1  # What was known of the one before is wrong.
        if is_other:
            case.remove_flags(*IntakeFlag)
        case.add_flags(*self.flags)
        if is_other or self.possible_duplicates:
            case.possible_duplicates = self.possible_duplicates
        if is_other or self.customer_class != USUAL_CLASS:
            case.customer_class = self.customer_class

    def text(self, number: str, __: Event) -> tuple[str, str]:
        return f"工单{number}：来电人情况已补充", f"Case {number}: more is known of its caller"


def recognises_more(case: CaseState, known: Recognised, at: datetime) -> bool:
    """Return True if the case does not know it of its present caller, and people can still act on the case."""
    if known.caller_version != case.caller_version or not case.is_active(at):
        return False
    flags = {*known.flags}
    if known.caller_version > 1:
        before = {*IntakeFlag} & {*case.flags}, case.possible_duplicates, case.customer_class
        return (flags, known.possible_duplicates, known.customer_class) != before
    return not flags <= {*case.flags} or known.customer_class not in (USUAL_CLASS, case.customer_class)


RECOGNISE = EventKind(
    name="recognise",
    zh="补充识别",
    description="The caller was recognised after the intake or a correction; the event lists possible duplicates.",
    data=Recognised,
    notifies=("assignee", "owner"),
)


class Undelivered(EventData):
    """Key of the notification, the channel that did not take it, and the last error, without personal data."""

    key: str
    channel: str
    error: str

    def evolve(self, case: CaseState, event: Event) -> None:
        case.failed_deliveries += (FailedDelivery.taken_from(self, failed_at=event.at),)


def is_unknown_failure(case: CaseState, data: Undelivered) -> bool:
    """Return True if the case does not know yet that this channel fails for this recipient.

    Further notifications of the same way are not noted: an outage of a channel would fill the timelines.
    """
    recipient = recipient_of(data.key)
    return all((each.channel, each.recipient) != (data.channel, recipient) for each in case.failed_deliveries)


UNDELIVERED = EventKind(
    name="undelivered",
    zh="未送达",
    description="A notification of the case was not delivered for minutes, or became a dead letter.",
    data=Undelivered,
    flags=("undelivered",),
)
