"""What the routes work with, put together once when the process starts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from activities.notifications.caller_links import Links
from api.codes import ByName
from api.intake import Desk
from api.metrics import Metrics
from api.problems import ProblemError
from api.recognition import Recognition
from api.security import BearerKey, actor_of
from api.sql.letterbox import Letterbox
from api.sql.reader import Reader
from api.sql.visibility import Visibility
from api.temporal.complaints import ComplaintClient
from api.temporal.health import TemporalHealth
from api.temporal.incidents import IncidentClient
from domain.case.decisions import available_actions
from domain.case.views import CaseView, view_case
from domain.catalogue.catalogue import Catalogue
from hotline.files.catalogue_store import InForce
from hotline.keyring import Key
from hotline.settings import Settings


@dataclass(frozen=True, slots=True)
class Backend:
    """The parts of the service that HTTP is the door of."""

    settings: Settings
    bearer: BearerKey
    in_force: InForce
    by_name: ByName
    desk: Desk
    complaints: ComplaintClient
    recognition: Recognition
    incidents: IncidentClient
    temporal: TemporalHealth
    reader: Reader
    letterbox: Letterbox
    visibility: Visibility
    incident_visibility: Visibility
    links: Links
    metrics: Metrics
    clock: Callable[[], datetime]

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue in force now."""
        return self.in_force.catalogue

    async def find(self, number: str, key: Key) -> CaseView | None:
        """The case as the key's holder sees it: from SQL, or from its workflow where SQL has none; None for no case.

        Raises ProblemError where neither can tell.
        """
        try:
            case = await self.reader.case(number)
        except ProblemError as away:
            view = await self.complaints.case(number, actor_of(key))
            if view is None:
                # SQL may know it all the same: it keeps cases for longer than Temporal does.
                raise away from None
            return view
        if case is None:
            return await self.complaints.case(number, actor_of(key))
        now = self.clock()
        return view_case(case, now, available_actions(case, actor_of(key), now))

    async def shown(self, number: str, version: int) -> bool:
        """Whether SQL shows this version within the time that a client is made to wait."""
        shown = await self.visibility.shows(number, version, self.settings.sql_wait_seconds)
        self.metrics.waited(shown=shown)
        return shown
