"""recognise 补充识别: what is known of the caller came too late for the intake, or the caller was corrected."""

from datetime import datetime

from domain.case.intake import IntakeFlag
from domain.case.state import CaseState, Event, EventData, EventKind
from domain.catalogue.terms import USUAL_CLASS, CustomerClass
from domain.shared.value import omit_default

KNOWN = "known"
"""The answer of a case that knows all that it is told of its caller."""


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
        return f"工单{number}:来电人情况已补充", f"Case {number}: more is known of its caller"


def is_news(case: CaseState, known: Recognised, at: datetime) -> bool:
    """Return True if the case does not know it of its present caller, and people can still act on the case."""
    if known.caller_version != case.caller_version or not case.is_active(at):
        return False
    flags = {*known.flags}
    if known.caller_version > 1:
        before = {*IntakeFlag} & {*case.flags}, case.possible_duplicates, case.customer_class
        return (flags, known.possible_duplicates, known.customer_class) != before
    return not flags <= {*case.flags} or known.customer_class not in (USUAL_CLASS, case.customer_class)


KIND = EventKind(
    name="recognise",
    zh="补充识别",
    description="The caller was recognised after the intake or a correction; the event lists possible duplicates.",
    data=Recognised,
    notifies=("assignee", "owner"),
)
