"""Workflows of cases: their list, what every start has, and the start from a case that SQL has recorded."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from temporalio.client import Client

from activities.people_first import PeopleFirst
from activities.recovery.case_workflows import CaseWorkflows
from activities.recovery.other_workflows import OtherWorkflows
from domain.case.case import Case
from domain.case.events import Event
from workflows.clients.singletons import INSTALLATION
from workflows.complaint import ComplaintWorkflow
from workflows.messages import ComplaintStart, Done
from workflows.presentation.assessment import assessment_id
from workflows.presentation.complaint import search_attributes, summary, urgency, workflow_id
from workflows.presentation.details.timeline import RECENT, timeline_line
from workflows.presentation.incident import incident_id
from workflows.presentation.search_attributes import CHANGED_AT, typed


def case_workflows(client: Client, people: PeopleFirst, task_queue: str) -> CaseWorkflows:
    """Return the list of the workflows of cases on a task queue; see `CaseWorkflows`."""
    case = ComplaintWorkflow.__name__
    others = OtherWorkflows(client, people, task_queue, (case, INSTALLATION.id), (incident_id, assessment_id))
    return CaseWorkflows(client, people, workflow_id(""), case, CHANGED_AT, others)


def options_of(case: Case, changed_at: datetime) -> dict[str, Any]:
    """Return the options of `Client.start_workflow` for a case that changed last at this instant."""
    return {
        "id": workflow_id(case.number),
        "static_summary": summary(case),
        "search_attributes": typed(search_attributes(case, changed_at)),
        "priority": urgency(case),
    }


def start_from(case: Case, events: Sequence[Event], changed_at: datetime, seen: Mapping[str, Done]) -> ComplaintStart:
    """Return the start message of a case all of whose events are in SQL. `seen` are the keys that it is to know.

    The case tells its incident again that it belongs to it, unless the incident has settled it.
    """
    return ComplaintStart(
        source=case,
        seen=dict(seen),
        sender_version=case.version,
        changed_at=changed_at,
        changes={case.version: changed_at},
        recent=tuple(timeline_line(event, case) for event in events[-RECENT:]),
        linked_incident=case.incident if case.settled else None,
    )
