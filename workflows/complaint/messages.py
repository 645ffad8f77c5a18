"""Start message of a case's workflow, and its entry in the lists of the Temporal UI: summary and attributes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import Field

from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.lifecycle import Event
from domain.case.state import CaseState
from domain.shared.value import omit_default
from workflows.complaint.details import latest, lines
from workflows.kit import search_attributes as keys
from workflows.kit.entity import Done, EntityStart


class ComplaintStart(EntityStart):
    """Start of a complaint's workflow: the registration, or the case that an earlier run carried over."""

    source: Registration | Case
    outbox: tuple[Event, ...] = omit_default((), "Events that SQL is not known to have.")
    changes: dict[int, datetime] = Field({}, description="ChangedAt of versions that SQL may have, by version.")
    recent: tuple[str, ...] = omit_default((), "The last entries of the timeline, a short line each.")
    linked_incident: str | None = Field(None, description="The incident that knows of the case.")


def summary(case: CaseState) -> str:
    """One line for the list of workflows, without personal data."""
    terms = case.terms
    where = case.intake.location.district or "-"
    return f"{terms.priority} {terms.name_zh} {terms.name} · {where} · {case.number}"


def search_attributes(case: CaseState, changed_at: datetime) -> keys.Values:
    return {
        keys.STATE: case.state.value,
        keys.SERVICE: case.intake.service_code,
        keys.DISTRICT: case.intake.location.district,
        keys.DEPARTMENT: case.department,
        keys.OWNER: case.owner,
        keys.PRIORITY: case.terms.priority,
        keys.SLA: case.sla,
        keys.INCIDENT: case.incident,
        keys.NEXT_DUE_AT: case.next_due(),
        keys.CHANGED_AT: changed_at,
        keys.INVOLVED: [part.department for part in case.unfinished] or None,
        keys.FLAGS: list(case.flags) or None,
        keys.HEADLINE: keys.headline(case.state.zh, case.terms.name_zh, _district(case)),
    }


def _district(case: CaseState) -> str | None:
    """Chinese name by the terms; the code if the case was corrected without other terms."""
    code, named = case.intake.location.district, case.terms.district
    return named.name_zh if named and named.code == code else code


def start_from(case: Case, events: Sequence[Event], changed_at: datetime, seen: Mapping[str, Done]) -> ComplaintStart:
    """Start message of a case all of whose events are in SQL. `seen` are the keys that it is to know.

    The case tells its incident again that it belongs to it, unless the incident has settled it.
    """
    return ComplaintStart(
        source=case,
        seen=dict(seen),
        sender_version=case.version,
        changed_at=changed_at,
        changes={case.version: changed_at},
        recent=tuple(lines(latest(events), case)),
        linked_incident=case.incident if case.settled else None,
    )
