"""Messages of the workflows of complaints and incidents: start, signals, outcomes, and what runs carry over.

They are not in the modules of the workflows, which the sandbox loads anew for every run.
"""

from datetime import datetime

from pydantic import BaseModel, Field, RootModel

from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.assessment.kind import AssessmentEvent
from domain.calendar.work_calendar import USUAL_ZONE
from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Registration
from domain.catalogue.catalogue import Catalogue
from domain.incident.batch import Naming
from domain.incident.incident import Incident
from domain.incident.kind import IncidentEvent
from domain.incident.opening import Opening
from domain.shared.value import Immutable, InClear, Start, omit_default


class Done(Immutable):
    """Outcome of a command, which is kept so that its key is known in every later run."""

    action: str
    digest: str
    version: int
    done_at: datetime


class EntityStart(Start):
    """Shared part of the start messages: what runs carry over, apart from the entity."""

    seen: dict[str, Done] = Field(default={})
    sender_version: int = omit_default(0, "Version up to which the sender of an update writes the events to SQL.")
    changed_at: datetime | None = omit_default(None, "When the entity changed last; null in the first run.")


class ComplaintStart(EntityStart):
    """Start of a complaint's workflow: the registration, or the case that an earlier run carried over."""

    source: Registration | Case
    outbox: tuple[Event, ...] = omit_default((), "Events that SQL is not known to have.")
    changes: dict[int, datetime] = Field(default={}, description="ChangedAt of versions that SQL may have, by version.")
    recent: tuple[str, ...] = omit_default((), "The last entries of the timeline, a short line each.")
    linked_incident: str | None = Field(default=None, description="The incident that knows of the case.")


class CaseNumbers(RootModel[tuple[str, ...]], InClear):
    """Numbers of cases that an incident is told of, as a hint: it asks the cases itself."""


class Names(Immutable):
    """Chinese names of the codes of a catalogue, and its time zone, for the Temporal UI."""

    services: dict[str, str] = Field(default={})
    districts: dict[str, str] = Field(default={})
    departments: dict[str, str] = Field(default={})
    timezone: str = omit_default(USUAL_ZONE, "In which times are shown.")

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Names":
        """Return the names of this catalogue."""
        return cls(
            services={each.code: each.name_zh for each in catalogue.services},
            districts={each.code: each.name_zh for each in catalogue.districts},
            departments={each.code: each.name_zh for each in catalogue.departments},
            timezone=catalogue.calendar.timezone,
        )


class IncidentStart(EntityStart):
    """Start of an incident's workflow: the opening, or the incident that an earlier run carried over."""

    source: Opening | Incident
    waiting: tuple[str, ...] = Field(default=(), description="Numbers of the linked cases, in the order of linking.")
    counts: dict[str, int] = Field(default={})
    gather: bool = Field(default=False, description="Cases of the scope are still to be looked for.")
    absorbed: bool = Field(default=False, description="The incident that it is merged into knows of it.")
    named: Naming | None = omit_default(None, "Cases that somebody has named, and that have not answered yet.")
    names: Names = Names()


class IncidentOutcome(BaseModel):
    """Answer of an update or query of an incident; see `domain.case.views.Outcome`."""

    action: str
    digest: str
    version: int
    incident: Incident
    events: tuple[IncidentEvent, ...] = Field(default=(), description="Those that SQL is not known to have.")
    counts: dict[str, int] = Field(default={})
    waiting: int = Field(description="Linked cases that still wait for it.")
    available_actions: tuple[str, ...] = ()


class AssessmentStart(EntityStart):
    """Start of the workflow of a month's assessment: the opening, or the assessment of an earlier run."""

    source: AssessmentOpening | Assessment
    stale: bool = omit_default(default=False, description="The figures are to be computed anew.")
    names: Names = Names()


class AssessmentOutcome(BaseModel):
    """Answer of an update or query of an assessment; see `domain.case.views.Outcome`."""

    action: str
    digest: str
    version: int
    assessment: Assessment
    events: tuple[AssessmentEvent, ...] = Field(default=(), description="Those that SQL is not known to have.")
    available_actions: tuple[str, ...] = ()
