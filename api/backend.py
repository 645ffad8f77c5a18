"""Parts of the service that the routes use; made once, at the start of the process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from activities.notifications.caller_links import Links
from activities.sealing.keys import Seal
from api.codes import CatalogueInForce
from api.documents.documents import Documents
from api.documents.printer import Printer
from api.edge.limits import Limits, Turns
from api.edge.metrics import Metrics
from api.edge.middleware import Serving
from api.edge.problems import ProblemError, declare
from api.exports.streams import ExportTurn
from api.health.readiness import ReadinessCheck
from api.intake import IntakeService
from api.naming import Naming
from api.people import People
from api.recognition import Recognition
from api.rights import require_reach
from api.sign_in.oidc import OidcSignIn
from api.sign_in.security import BearerKey
from api.sign_in.sessions import Sessions
from api.sql.projection import ProjectionWriter
from api.sql.reader import DirectWriter, Reader, away
from api.temporal.assessments import AssessmentClient
from api.temporal.clock import ClockCheck
from api.temporal.complaints import ComplaintClient
from api.temporal.handovers import HandoverClient
from api.temporal.incidents import IncidentClient
from domain.case.case import Case
from domain.case.decide import available_actions
from domain.case.views import CaseView, Outcome, view_case
from domain.catalogue.catalogue import Catalogue
from domain.rights.rights import Right
from domain.shared.actors import Actor
from domain.shared.codes import CodeKind, UnknownCode
from readmodel.cases.queries import get_case
from readmodel.writer import GroupWriter

COMPLAINT_NOT_FOUND = declare("complaint-not-found", HTTPStatus.NOT_FOUND, "Complaint not found")


@dataclass(frozen=True, slots=True)
class Backend:
    """Parts of the service that the routes use; `api.__main__` makes them.

    Attributes:
        hosts: names that the API answers to.
        print_pdf: prints a page as PDF; None if the extra for it is not installed.
        body_limit_bytes: size of the largest body.
        confirmations: seals confirmed requests of the Temporal UI.
        request_seconds: longest wait for a body.
        temporal_ui_url: address of the Temporal UI's server, which the API passes on; None if there is none.
        oidc: sign-in with the issuer; None if there is none.
        texts_callers: True if a channel sends to the telephones of callers.
        serving: returns the context of a request that changes something.
        incidents_per_hour: incidents that a person may declare within an hour; 0 for no limit.
        export_turn: held by the one step of an export that runs.
        turns: held by the one request that sends a link to a telephone, or declares an incident of a person.
    """

    hosts: frozenset[str]
    documents: Documents
    print_pdf: Printer | None
    body_limit_bytes: int
    request_seconds: float
    bearer: BearerKey
    people: People
    naming: Naming
    limits: Limits
    in_force: CatalogueInForce
    intake: IntakeService
    complaints: ComplaintClient
    recognition: Recognition
    incidents: IncidentClient
    handovers: HandoverClient
    assessments: AssessmentClient
    readiness: ReadinessCheck
    clock_check: ClockCheck
    reader: Reader
    direct: DirectWriter
    writer: GroupWriter
    projection: ProjectionWriter
    links: Links
    sessions: Sessions
    confirmations: Seal
    oidc: OidcSignIn | None
    texts_callers: bool
    temporal_ui_url: str | None
    metrics: Metrics
    clock: Callable[[], datetime]
    serving: Serving
    incidents_per_hour: int
    export_turn: ExportTurn = field(default_factory=ExportTurn)
    turns: Turns = field(default_factory=Turns)

    @property
    def catalogue(self) -> Catalogue:
        """Catalogue in force now."""
        return self.in_force.catalogue

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of the catalogue in force."""
        return ZoneInfo(self.catalogue.calendar.timezone)

    @property
    def context(self) -> Mapping[str, Any]:
        """Context in which bodies and parameters of requests are validated."""
        return {"codes": self._code, "agent": lambda text: self.naming.agent(text).id, "clock": self.clock}

    def _code(self, kind: CodeKind, given: str) -> str:
        """Return the code of a name. Codes of earlier catalogues pass, since cases of that time carry them.

        If a code must be in force, the route checks that. Raises UnknownCode.
        """
        try:
            return self.catalogue.code(kind, given)
        except UnknownCode:
            former = self.in_force.former_code(kind, given)
            if former is None:
                raise
            return former

    async def find(self, number: str, actor: Actor) -> CaseView | None:
        """Return the case as the actor sees it, from SQL or else from its workflow; None if there is no such case.

        No right is asked for: to answer with a case, take `case`. Raises ProblemError if neither answers.
        """
        case, down = None, None
        try:
            case = await self.reader.ask(get_case, number)
        except ProblemError as error:
            down = error
        view = self.view(case, actor) if case else await self.complaints.case(number, actor)
        if view is None and down:
            # SQL may have the case: it keeps cases for longer than Temporal does.
            raise down
        return view

    async def case(self, number: str, actor: Actor, right: Right) -> CaseView:
        """Return the case as the actor sees it. Raises ProblemError, also if the right does not reach it."""
        view = await self.find(number, actor)
        if view is None:
            raise not_found(number)
        require_reach(right, actor, number, view)
        return view

    def view(self, case: Case, actor: Actor) -> CaseView:
        """Return the case as the actor sees it now."""
        now = self.clock()
        return view_case(case, now, available_actions(case, actor, now))

    async def case_in_sql(self, number: str, actor: Actor, right: Right) -> Case:
        """Return the case from SQL. Raises ProblemError, also if SQL does not show it yet."""
        if case := await self.reader.ask(get_case, number):
            require_reach(right, actor, number, case)
            return case
        view = await self.complaints.case(number, actor)
        if view is None:
            raise not_found(number)
        require_reach(right, actor, number, view)
        raise away(f"The complaint {number} is there, but SQL does not show it yet.")

    async def projected(self, number: str, outcome: Outcome, actor: Actor) -> tuple[CaseView, bool]:
        """Write what an update returned; return the case as the actor sees it, and True if SQL has it.

        Raises ProblemError if SQL is down and the workflow does not answer either.
        """
        view, committed = outcome.case, False
        if outcome.batch:
            case, committed = await self.projection.write(outcome.batch)
            view = self.view(case, actor) if case else await self.complaints.case(number, actor)
        elif view:
            committed = await self.projection.has(number, view.version)
        if view is None:
            raise not_found(number)
        return view, committed


def not_found(number: str) -> ProblemError:
    """Return the problem of a number that no case has."""
    return ProblemError(COMPLAINT_NOT_FOUND, f"There is no complaint with the number {number}.")
