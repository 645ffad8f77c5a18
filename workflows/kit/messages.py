"""Parts of the messages of complaints, incidents and assessments: what runs carry over.

Messages are not in the modules of the workflows, which the sandbox loads anew for every run.
"""

from datetime import datetime

from pydantic import BaseModel, Field

from domain.calendar.work_calendar import USUAL_ZONE
from domain.catalogue.catalogue import Catalogue
from domain.shared.value import Immutable, Start, omit_default


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


class EntityOutcome(BaseModel):
    """Answer of an update or query of an incident or assessment; see `domain.case.views.Outcome`."""

    action: str
    digest: str
    version: int
    available_actions: tuple[str, ...] = ()


class CatalogueNames(Immutable):
    """Chinese names of the codes of a catalogue, and its time zone, for the Temporal UI."""

    services: dict[str, str] = Field(default={})
    districts: dict[str, str] = Field(default={})
    departments: dict[str, str] = Field(default={})
    timezone: str = omit_default(USUAL_ZONE, "In which times are shown.")

    @classmethod
    def of(cls, catalogue: Catalogue) -> "CatalogueNames":
        return cls(
            services={each.code: each.name_zh for each in catalogue.services},
            districts={each.code: each.name_zh for each in catalogue.districts},
            departments={each.code: each.name_zh for each in catalogue.departments},
            timezone=catalogue.calendar.timezone,
        )
