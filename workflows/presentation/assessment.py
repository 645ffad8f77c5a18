"""An assessment in the lists of the Temporal UI: id, summary and search attributes of its workflow."""

from domain.assessment.assessment import Assessment
from workflows.presentation import search_attributes as keys


def assessment_id(month: str) -> str:
    """Return the workflow id of a month's assessment."""
    return f"assessment-{month}"


def assessment_summary(month: str) -> str:
    """Return one line for the list of workflows."""
    return f"月度考核 assessment {month}"


def assessment_search_attributes(month: Assessment) -> keys.Values:
    """Return the search attributes of an assessment; the next time that ends is its due time."""
    ends = [limit.ends_at for limit in month.limits]
    return {keys.STATE: month.state.value, keys.NEXT_DUE_AT: min(ends, default=None)}
