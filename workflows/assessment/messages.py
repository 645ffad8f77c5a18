"""Messages of an assessment's workflow, and its entry in the lists of the Temporal UI: id, summary, attributes."""

from pydantic import Field

from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.assessment.state import AssessmentEvent
from domain.shared.value import omit_default
from workflows.kit import search_attributes as keys
from workflows.kit.messages import CatalogueNames, EntityOutcome, EntityStart


class AssessmentStart(EntityStart):
    """Start of the workflow of a month's assessment: the opening, or the assessment of an earlier run."""

    source: AssessmentOpening | Assessment
    stale: bool = omit_default(default=False, description="The figures are to be computed anew.")
    names: CatalogueNames = CatalogueNames()


class AssessmentOutcome(EntityOutcome):
    """Answer of an update or query of an assessment."""

    assessment: Assessment
    events: tuple[AssessmentEvent, ...] = Field(default=(), description="Those that SQL is not known to have.")


def assessment_summary(month: str) -> str:
    return f"月度考核 assessment {month}"


def assessment_search_attributes(month: Assessment) -> keys.Values:
    """Return the search attributes of an assessment; the next time that ends is its due time."""
    ends = [limit.ends_at for limit in month.limits]
    return {keys.STATE: month.state.value, keys.NEXT_DUE_AT: min(ends, default=None)}
