"""Names by which workflows, their activities and their clients know each other; no activity may import a workflow."""

COMPLAINT_WORKFLOW = "ComplaintWorkflow"
COURIER, SURGE_WATCH, RECONCILER = "courier", "surge-watch", "reconciler"
"""Ids of the workflows whose activity has no end."""
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


def complaint_id(number: str) -> str:
    return f"complaint-{number}"


def incident_id(number: str) -> str:
    return f"incident-{number}"


def assessment_id(month: str) -> str:
    return f"assessment-{month}"
