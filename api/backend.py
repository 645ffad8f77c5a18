"""Parts of the service that the routes use; made once, at the start of the process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.assessments.assessments import Assessments
from api.assessments.exclusions import Exclusions
from api.codes import CatalogueInForce
from api.complaints.actions import ComplaintActions
from api.complaints.caller_page import CallerPage
from api.complaints.cases import Cases
from api.complaints.intake import IntakeService, Recognition
from api.directory import People
from api.documents.documents import Documents
from api.documents.printer import Printer
from api.edge.limits import Limits, Turns
from api.edge.metrics import Metrics
from api.edge.middleware import Serving
from api.exports.files import ExportTurn
from api.health.readiness import ReadinessCheck
from api.incidents.incidents import Incidents
from api.naming import Naming
from api.people.handovers import Handovers
from api.sign_in.oidc import OidcSignIn
from api.sign_in.routes import SignIn
from api.sign_in.security import BearerKey
from api.sign_in.sessions import Sessions
from api.sql.reader import DirectWriter, Reader
from api.sql.writer import ProjectionWriter
from api.temporal.clock import ClockCheck
from api.temporal_ui.dangerous import Dangerous
from api.temporal_ui.door import Door
from api.temporal_ui.pages import TemporalPages
from domain.catalogue.catalogue import Catalogue
from domain.shared.codes import CodeKind, UnknownCode
from readmodel.writer import GroupWriter


@dataclass(frozen=True, kw_only=True)
class Common:
    """Parts that several subjects use."""

    clock: Callable[[], datetime]
    in_force: CatalogueInForce
    limits: Limits
    reader: Reader
    direct: DirectWriter
    writer: GroupWriter
    projection: ProjectionWriter
    people: People
    naming: Naming
    metrics: Metrics
    turns: Turns = field(default_factory=Turns)

    @property
    def catalogue(self) -> Catalogue:
        return self.in_force.catalogue

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


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Parts of the middleware.

    Attributes:
        hosts: names that the API answers to.
        body_limit_bytes: size of the largest body.
        request_seconds: longest wait for a body.
        serving: returns the context of a request that changes something.
    """

    hosts: frozenset[str]
    body_limit_bytes: int
    request_seconds: float
    serving: Serving


@dataclass(frozen=True, kw_only=True)
class Access:
    """Parts that tell who sends a request: by key, session or token. `oidc` is None without an issuer."""

    bearer: BearerKey
    sessions: Sessions
    sign_in: SignIn
    oidc: OidcSignIn | None


@dataclass(frozen=True, kw_only=True)
class TemporalUi:
    """Parts of the Temporal UI behind the sign-in."""

    door: Door
    dangerous: Dangerous
    temporal_pages: TemporalPages


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Parts of the service, which `api.__main__` makes.

    Attributes:
        print_pdf: prints a page as PDF; None if the extra for it is not installed.
        export_turn: held by the one step of an export that runs.
    """

    common: Common
    edge: Edge
    access: Access
    temporal_ui: TemporalUi
    clock_check: ClockCheck
    cases: Cases
    intake: IntakeService
    recognition: Recognition
    complaint_actions: ComplaintActions
    caller_page: CallerPage
    incidents: Incidents
    handovers: Handovers
    assessments: Assessments
    exclusions: Exclusions
    documents: Documents
    print_pdf: Printer | None
    readiness: ReadinessCheck
    export_turn: ExportTurn = field(default_factory=ExportTurn)

    @property
    def parts(self) -> dict[str, Any]:
        """Parts as the routes find them in `app.state`, by the names of their fields here and in the groups."""
        groups = self.common, self.access, self.temporal_ui
        return {name: part for group in (*groups, self) for name, part in vars(group).items()}
