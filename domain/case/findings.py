"""What a department finds (查实) when it completes its work, where the catalogue owes a credit for it."""

from domain.case.events import Event
from domain.case.state import Finding, Record
from domain.shared.errors import Refused


def check_findings(record: Record, codes: tuple[str, ...]) -> None:
    """Raise Refused where a code raises no credit under the terms of the case."""
    accepted = tuple(dict.fromkeys(credit.finding for credit in record.terms.credits if credit.finding))
    if unknown := [code for code in codes if code not in accepted]:
        what = ", ".join(accepted) or "none for this service; leave findings out"
        message = f"There is no finding (查实事项) {unknown[0]!r}; accepted: {what}."
        raise Refused("invalid", "unknown_finding", message, accepted or ("no findings",))


def note_findings(record: Record, event: Event) -> None:
    """The effect: what is found is kept, once in a cycle however often it is said."""
    for code in event.data.get("findings", ()):
        if all((each.code, each.cycle) != (code, event.cycle) for each in record.findings):
            found = Finding(code=code, cycle=event.cycle, serial=event.seq, found_at=event.at)
            record.findings = (*record.findings, found)
