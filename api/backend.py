"""What the routes work with, put together once when the process starts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from activities.notifications.caller_links import Links
from api.codes import ByName, CatalogueInForce
from api.intake import Desk
from api.metrics import Metrics
from api.problems import ProblemError
from api.recognition import Recognition
from api.security import BearerKey
from api.sql.dead_letters import DeadLetters
from api.sql.reader import Reader
from api.sql.visibility import Visibility
from api.temporal.complaints import ComplaintClient
from api.temporal.health import TemporalHealth
from api.temporal.incidents import IncidentClient
from domain.case.decide import available_actions
from domain.case.views import CaseView, view_case
from domain.catalogue.catalogue import Catalogue
from domain.shared.actors import Actor


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Values that the routes need from the settings.

    Attributes:
        public_url: address of the API for callers, without a slash at its end.
        templates: folder of the operator's templates, or None.
        sql_wait_seconds: seconds that a client waits for SQL to show what Temporal accepted.
        body_limit_bytes: size of the largest body.
    """

    public_url: str
    templates: Path | None
    sql_wait_seconds: float
    body_limit_bytes: int


@dataclass(frozen=True, slots=True)
class Backend:
    """Parts of the service that the routes use; `api.__main__` makes them."""

    config: ApiConfig
    bearer: BearerKey
    in_force: CatalogueInForce
    by_name: ByName
    desk: Desk
    complaints: ComplaintClient
    recognition: Recognition
    incidents: IncidentClient
    temporal: TemporalHealth
    reader: Reader
    dead_letters: DeadLetters
    visibility: Visibility
    incident_visibility: Visibility
    links: Links
    metrics: Metrics
    clock: Callable[[], datetime]

    @property
    def catalogue(self) -> Catalogue:
        """Catalogue in force now."""
        return self.in_force.catalogue

    async def find(self, number: str, actor: Actor) -> CaseView | None:
        """Return the case as the actor sees it, from SQL or else from its workflow; None if there is no such case.

        Raises ProblemError if neither can tell.
        """
        try:
            case = await self.reader.case(number)
        except ProblemError as away:
            view = await self.complaints.case(number, actor)
            if view is None:
                # SQL may know it all the same: it keeps cases for longer than Temporal does.
                raise away from None
            return view
        if case is None:
            return await self.complaints.case(number, actor)
        now = self.clock()
        return view_case(case, now, available_actions(case, actor, now))

    async def shown(self, number: str, version: int) -> bool:
        """Return True if SQL shows this version within `sql_wait_seconds`."""
        shown = await self.visibility.shows(number, version, self.config.sql_wait_seconds)
        self.metrics.waited(shown=shown)
        return shown
