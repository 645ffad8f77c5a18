"""Start message of a case's workflow, and its entry in the lists of the Temporal UI: id, summary, attributes."""

from datetime import datetime

from pydantic import Field
from temporalio.common import Priority

from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Registration
from domain.case.state import CaseState
from domain.shared.value import omit_default
from workflows.kit import search_attributes as keys
from workflows.kit.messages import EntityStart


class ComplaintStart(EntityStart):
    """Start of a complaint's workflow: the registration, or the case that an earlier run carried over."""

    source: Registration | Case
    outbox: tuple[Event, ...] = omit_default((), "Events that SQL is not known to have.")
    changes: dict[int, datetime] = Field(default={}, description="ChangedAt of versions that SQL may have, by version.")
    recent: tuple[str, ...] = omit_default((), "The last entries of the timeline, a short line each.")
    linked_incident: str | None = Field(default=None, description="The incident that knows of the case.")


def workflow_id(number: str) -> str:
    """Return the workflow id of a case."""
    return f"complaint-{number}"


def urgency(case: CaseState) -> Priority:
    """Return the priority of a case's work in queues: emergencies (P1) go before all else."""
    return Priority(priority_key=int(case.terms.priority.removeprefix("P")))


def summary(case: CaseState) -> str:
    """Return one line for the list of workflows, without personal data."""
    terms = case.terms
    where = case.intake.location.district or "-"
    return f"{terms.priority} {terms.name_zh} {terms.name} · {where} · {case.number}"


def search_attributes(case: CaseState, changed_at: datetime) -> keys.Values:
    """Return the search attributes of a case as it is now, after its last change at `changed_at`."""
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
    }
