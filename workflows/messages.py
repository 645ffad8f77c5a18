"""What starts the workflows of complaints and incidents, and what they carry from run to run.

A module of its own, for the reason of `workflows.updates`: a model defined in the workflow's module would be built
anew for every run.
"""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from domain.case.case import Case
from domain.case.intake import Registration
from domain.catalogue.catalogue import Catalogue
from domain.incident.incident import Incident, Opening
from domain.incident.lifecycle import IncidentAction, Scope

TASK_TIMEOUT = timedelta(seconds=2.5)
"""A task whose worker died is given to another after so long (the default is 10 s); a task takes milliseconds."""


class Done(BaseModel):
    """What became of a command: kept as long as the case, so that its key is known in every later run."""

    model_config = ConfigDict(frozen=True)

    action: str
    digest: str
    version: int


class ComplaintStart(BaseModel):
    """How a complaint's workflow starts: with the registration, or with the case that an earlier run carried over."""

    model_config = ConfigDict(frozen=True)

    source: Registration | Case
    seen: dict[str, Done] = {}
    linked_incident: str | None = Field(default=None, description="The incident that knows of the case.")


class Names(BaseModel):
    """What the codes of a catalogue are called in Chinese, for those who look at the Temporal UI."""

    model_config = ConfigDict(frozen=True)

    services: dict[str, str] = {}
    districts: dict[str, str] = {}
    departments: dict[str, str] = {}

    @classmethod
    def of(cls, catalogue: Catalogue) -> "Names":
        """The names of this catalogue."""
        return cls(
            services={each.code: each.name_zh for each in catalogue.services},
            districts={each.code: each.name_zh for each in catalogue.districts},
            departments={each.code: each.name_zh for each in catalogue.departments},
        )


class IncidentStart(BaseModel):
    """How an incident's workflow starts: with its opening, or with what an earlier run carried over."""

    model_config = ConfigDict(frozen=True)

    source: Opening | Incident
    waiting: tuple[str, ...] = Field(default=(), description="Numbers of the linked cases, in the order of linking.")
    counts: dict[str, int] = {}
    seen: dict[str, Done] = {}
    gather: bool = Field(default=False, description="Cases of the scope are still to be looked for.")
    absorbed: bool = Field(default=False, description="The incident that it is merged into knows of it.")
    names: Names = Names()


class Absorbed(BaseModel):
    """Another incident, and what it explained, of one that was merged."""

    model_config = ConfigDict(frozen=True)

    incident: str
    scope: Scope


class IncidentOutcome(BaseModel):
    """What an incident's update or query answers; see `domain.case.views.Outcome`."""

    action: str
    digest: str
    version: int
    incident: Incident
    waiting: int = Field(description="Linked cases that are not yet seen to.")
    available_actions: tuple[IncidentAction, ...] = ()
