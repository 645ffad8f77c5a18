"""Names by which workflows, activities and clients know each other; no activity may import a workflow."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError
from temporalio import workflow

from domain.assessment.actions import ASSESSMENT_COMMANDS
from domain.case.actions import COMMANDS
from domain.incident.actions import INCIDENT_COMMANDS
from domain.kit.event import AnyAction
from domain.shared.codes import FindCode

COMPLAINT_WORKFLOW = "ComplaintWorkflow"
COURIER, SURGE_WATCH, RECONCILER = "courier", "surge-watch", "reconciler"
"""Ids of the workflows whose activity has no end."""
PERIOD_END = "period-end"
"""Id of the Schedule that starts each night's work, and the beginning of the ids of the workflows that it starts."""
INSTALLATION = "installation"
"""Id of the workflow that waits for ever."""
CHANGED_AT = "ChangedAt"
"""Search attribute with the time of the last change of a case."""

# Updates that the service alone sends. The prefix keeps them apart from actions in the Temporal UI.
UNDELIVERED = "internal_undelivered"
RECOGNISE = "internal_recognise"
SETTLE = "internal_settle"
CATALOGUE_CHANGE = "internal_catalogue_change"
ABSORB = "internal_absorb"

NO_HANDLER = "expected but not found"
"""Words of the SDK's error for an update that a worker does not know."""
UNDECODED = "Failed decoding arguments"
"""The SDK's words for arguments of an update or a query that are of another type, of another release for example."""
UNSEALED = "Unsealed"
"""Type of the failure of what no client of the service has sealed."""
EXAMPLE_PEOPLE = {"owner": "10046", "assignee": "10046"}
"""Ids of people in examples, by field."""
ACTIONS: Mapping[str, Mapping[str, AnyAction]] = {
    "ComplaintWorkflow": COMMANDS,
    "IncidentWorkflow": INCIDENT_COMMANDS,
    "AssessmentWorkflow": ASSESSMENT_COMMANDS,
}
"""Actions by name, of each type of workflow."""


def complaint_id(number: str) -> str:
    return f"complaint-{number}"


def incident_id(number: str) -> str:
    return f"incident-{number}"


def assessment_id(month: str) -> str:
    return f"assessment-{month}"


HANDOVER, ROLLOUT, REPORT = "handover-", "catalogue-rollout-", "report-"
"""Beginnings of the ids of handovers, catalogue rollouts and reports."""
OTHER_IDS = incident_id(""), assessment_id(""), HANDOVER, ROLLOUT, REPORT, PERIOD_END, COURIER, SURGE_WATCH, RECONCILER
"""Beginnings of the ids that the service gives to workflows that are no cases."""


def action_meant(update: str) -> AnyAction | None:
    """None for an update of the present workflow that is no action."""
    return ACTIONS.get(workflow.info().workflow_type, {}).get(update)


def example(action: AnyAction, find: FindCode | None = None, people: Mapping[str, str] = EXAMPLE_PEOPLE) -> str:
    """Short body of the action as JSON, with the ids of these people by field.

    Instants are left out where they may be, as those of the examples have passed; so is the note. `find` returns a code
    of the catalogue in force for one of the example; None leaves those as they are.
    """
    body = action.example
    given = {name for name in body.model_fields_set if not isinstance(getattr(body, name), datetime)} - {"note"}
    with suppress(ValidationError):
        sent = body.model_dump(include=given, exclude_unset=True)
        body = action.body.model_validate(sent, context={"codes": find})
    ids = {name: person for name, person in people.items() if name in given}
    return json.dumps(body.model_dump(mode="json", exclude_unset=True) | ids, ensure_ascii=False)
