"""The application: its parts, made of the settings, and routes, middleware and error handlers on them.

With `api.__main__`, it is the main of the API.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from fastapi_swagger import patch_fastapi
from sqlalchemy import make_url
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.routing import Route
from temporalio.client import Client

from activities.cases import Projection
from activities.notifications.texts import Templates
from activities.sealing.keys import Links, Seal
from api import calls, dead_letters, people, reference, responses
from api.assessments import routes as assessments
from api.assessments.assessments import Assessments
from api.complaints import actions as complaint_actions
from api.complaints import caller_page
from api.complaints import routes as complaints
from api.complaints.actions import ComplaintActions
from api.complaints.caller_page import CallerPage
from api.complaints.cases import Cases
from api.complaints.intake import IntakeService, Recognition
from api.desk import assessments as desk_assessments
from api.desk import board, call_backs, crew, desk, exports, managers, work_order
from api.desk import incidents as desk_incidents
from api.desk import intake as desk_intake
from api.desk.assessments import AssessmentDesk
from api.desk.board import Board
from api.desk.call_backs import CallBackDesk
from api.desk.caller_texts import CallerTexts
from api.desk.crew import CrewDesk
from api.desk.desk import Desk
from api.desk.exports import DeskExports
from api.desk.incidents import IncidentDesk
from api.desk.intake import IntakeDesk
from api.desk.managers import ManagerDesk
from api.desk.work_order import WorkOrders
from api.directory import People, PersonFinder
from api.documents import Documents, printer
from api.edge.browsers import SealedCookie
from api.edge.chinese import check_words
from api.edge.limits import TOO_MANY_ACTIONS, KeyedLocks, Limit, Limits
from api.edge.middleware import REQUEST_ID, Metrics, check_host, hold_serving_lock, limit_body, watch
from api.edge.problems import HANDLERS, PROBLEM_KINDS
from api.exports.files import XLSX, ExportThrottle
from api.health import readiness as health
from api.health.readiness import ReadinessCheck, checks
from api.health.sql import SqlHealth
from api.health.storage import READ_MODEL, TEMPORAL, Integrity, Storage
from api.health.temporal import TemporalHealth
from api.incidents import routes as incidents
from api.incidents.routes import Incidents
from api.reports import calls as call_reports
from api.reports import routes as reports
from api.reports.routes import Reports
from api.routing import BackendParts
from api.sign_in import sessions
from api.sign_in.security import BearerKey
from api.sign_in.sessions import CALLBACK, Handshake, OidcSignIn, Session, Sessions
from api.sign_in.tokens import ClaimMap, Issuer, Tokens
from api.sql import DirectWriter, ProjectionWriter, Reader
from api.temporal.client import AssessmentClient, ComplaintClient, HandoverClient, IncidentClient
from api.temporal.server import Backlog, ClockCheck, temporal_time
from api.temporal_ui import pages, reading
from api.temporal_ui.dangerous import Confirmation, DangerousRequests
from api.temporal_ui.pages import TemporalPages
from api.temporal_ui.proxy import UiProxy, UiServer
from domain.shared.codes import CodeKind, UnknownCode
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.files.channels import load_channels
from hotline.files.data_folder import ServingLock, write_private
from hotline.keys import ring_of
from hotline.settings import Settings, hosts_of
from readmodel.base.database import engine
from readmodel.writer import GroupWriter

ROUTERS = [
    module.router
    for module in (
        complaint_actions,
        complaints,
        work_order,
        incidents,
        people,
        calls,
        assessments,
        dead_letters,
        reports,
        call_reports,
        reference,
        health,
        caller_page,
        pages,
        exports,
        board,
        desk_intake,
        call_backs,
        crew,
        managers,
        desk_assessments,
        desk_incidents,
        desk,
        sessions,
    )
]
GZIP_LEVEL = 6
"""Level of zlib: the next takes twice the time for less than one per cent."""
COMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, XLSX, "application/pdf")
"""Types of answers that are as small as they get, or are sent line by line."""
check_words(PROBLEM_KINDS.values())  # Every module that declares one is imported.


class Backend(BackendParts):
    """Parts of the service by name, as the routes ask for them. Temporal and SQL may be down.

    `clock_check` compares the clock with Temporal's; None makes one.

    Raises:
        FileError: the catalogue or the file of channels cannot be used.
        KeysError: the keys cannot be read.
    """

    in_force: CatalogueInForce

    def __init__(
        self,
        settings: Settings,
        client: Client,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock_check: ClockCheck | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.clock_check = clock_check or ClockCheck(clock, partial(temporal_time, client))
        self.in_force = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
        self.limits = Limits(settings.guesses_per_minute, settings.reads_per_minute, settings.writes_per_minute)
        self.locks = KeyedLocks()
        self.export_throttle = ExportThrottle()
        """Held by the one step of an export that runs."""
        self.documents = Documents(settings.templates)
        self.print_pdf = printer()
        """None if the extra for it is not installed."""
        self.hosts = hosts_of(settings)
        """Names that the API answers to."""
        self.serving = ServingLock(settings.data_dir).serving
        """Returns the context of a request that changes something."""
        self.context = {"codes": self._code, "agent": lambda text: self.person_finder.agent(text).id, "clock": clock}
        """Context in which bodies and parameters of requests are validated."""
        self._ring = ring_of(settings)
        # An unreadable file is reported at the start, not by the first request.
        self._ring.list()
        self._add_sql(client)
        self._add_sign_in()
        self._add_subjects(client)
        self._add_temporal_ui()
        self.readiness = self._readiness(client)

    def _code(self, kind: CodeKind, given: str) -> str:
        """Code that a name or code stands for. Codes of earlier catalogues pass, since cases of that time carry them.

        If a code must be in force, the route checks that. Raises UnknownCode.
        """
        try:
            return self.catalogue.code(kind, given)
        except UnknownCode:
            former = self.in_force.former_code(kind, given)
            if former is None:
                raise
            return former

    def _add_sql(self, client: Client) -> None:
        settings, in_force = self.settings, self.in_force
        reading = engine(settings.database_url, read_only=True)
        writing = engine(settings.database_url, unsafe_at_power_loss=settings.unsafe_at_power_loss)
        self.metrics = Metrics(lambda: (in_force.catalogue.calendar.covers_until - self.clock().date()).days)
        self.reader = Reader(reading, settings.caller_lookup_seconds, lambda: in_force.catalogue.area_code)
        self.direct = DirectWriter(writing)
        self.writer = GroupWriter(writing)
        projection = Projection(self.writer, client, settings.sql_wait_seconds)
        self.projection = ProjectionWriter(projection, self.reader, self.metrics)
        files = settings.people_file, write_private
        self.people = People(self.reader, writing, settings.people_seconds, self.clock, *files)
        self.person_finder = PersonFinder(self.people, takes_unknown=settings.unknown_people == "allow")

    def _add_sign_in(self) -> None:
        settings, clock = self.settings, self.clock
        # Browsers reach the API over TLS alone.
        self.secure = settings.tls_certificate is not None or settings.public_url.startswith("https:")
        tokens = None
        if settings.oidc_issuer:
            claims = ClaimMap(
                person=settings.oidc_person_claim,
                name=settings.oidc_name_claim,
                role=settings.oidc_role_claim,
                department=settings.oidc_department_claim,
                roles=settings.oidc_roles,
                departments=lambda: self.catalogue.departments,
            )
            tokens = Tokens(Issuer(settings.oidc_issuer), settings.oidc_audience, claims)
        self.bearer = BearerKey(self.people, self.limits, tokens)
        self.oidc: OidcSignIn | None = None
        if tokens and settings.oidc_client_id:
            callback = f"{settings.public_url}{CALLBACK}"
            client_id, secret = settings.oidc_client_id, settings.oidc_client_secret
            handshake = SealedCookie("hotline-oidc", Seal(self._ring, "oidc"), Handshake, clock, self.secure)
            self.oidc = OidcSignIn(tokens, client_id, secret, callback, handshake, clock)
        session = SealedCookie("hotline", Seal(self._ring, "session"), Session, clock, self.secure)
        self.sessions = Sessions(session, self.people, clock, settings.oidc_issuer if self.oidc else None)

    def _add_subjects(self, client: Client) -> None:
        settings, in_force, reader, clock = self.settings, self.in_force, self.reader, self.clock
        temporal = client, settings.task_queue, settings.update_timeout_seconds, self.clock_check
        actions = Limit(TOO_MANY_ACTIONS, settings.actions_per_case, "actions")
        complaints = ComplaintClient(*temporal, actions, self.projection.acknowledged)
        incidents = IncidentClient(*temporal, actions, self.projection.acknowledged)
        assessments = AssessmentClient(*temporal, actions)
        self.cases = cases = Cases(reader, complaints, self.projection, clock)
        self.recognition = recognition = Recognition(reader, complaints, self.projection)
        self.intake = IntakeService(complaints, self, Backlog(client, settings.task_queue), recognition)
        self._channels = load_channels(settings.channels)
        texts_callers = self._channels.texts_callers
        self.complaint_actions = ComplaintActions(complaints, self, cases, incidents, recognition, texts_callers)
        self.caller_page = CallerPage(cases, in_force, Links(self._ring), self.limits, self.secure)
        self.incidents = Incidents(incidents, self, cases, settings.incidents_per_hour)
        self.handovers = people.Handovers(HandoverClient(*temporal), self)
        self.assessments = Assessments(assessments, self)
        self.reports = Reports(self)

    def _add_temporal_ui(self) -> None:
        cases, sessions, limits, in_force = self.cases, self.sessions, self.limits, self.in_force
        seal = Seal(self._ring, "confirmation")
        confirmation = SealedCookie("hotline-grant", seal, Confirmation, self.clock, self.secure, "strict")
        self.dangerous = DangerousRequests(cases, confirmation)
        ui = UiServer(self.settings.temporal_ui_url, self.locks)
        self.proxy = UiProxy(ui, cases, sessions, limits, in_force, self.dangerous, self.locks)
        self.temporal_pages = TemporalPages(cases, sessions, limits, in_force, self.incidents)
        page = f"{self.settings.public_url}/c/…"  # the link of a preview opens nothing
        templates = Templates(self.settings.templates, link=lambda _: page, sender=lambda: self.catalogue)
        texts = CallerTexts(self._channels, templates)
        self.desk = Desk(self.temporal_pages, self, texts)
        self.desk_exports = DeskExports(self.temporal_pages, self)
        orders = Links(self._ring, "work-orders")
        self.crew_desk = CrewDesk(self.temporal_pages, self, texts, orders)
        self.manager_desk = ManagerDesk(self.temporal_pages, self)
        self.assessment_desk = AssessmentDesk(self.temporal_pages, self)
        self.work_orders = WorkOrders(self, self.settings.public_url, orders)
        self.intake_desk = IntakeDesk(self.temporal_pages, self, texts)
        self.call_back_desk = CallBackDesk(self.temporal_pages, self)
        self.incident_desk = IncidentDesk(self.temporal_pages, self, self.incidents, texts)
        self.board = Board(self.temporal_pages, self)

    async def end_waiting(self) -> None:
        """End the answers that wait for news: those of the Temporal UI, and the streams of the board."""
        await self.board.close()
        await self.proxy.ui.close()

    def _readiness(self, client: Client) -> ReadinessCheck:
        url = make_url(self.settings.database_url)
        read_model = Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None
        wanted = {READ_MODEL: read_model, TEMPORAL: self.settings.temporal_file}
        files = {name: path for name, path in wanted.items() if path}  # of this machine
        storage = Storage([self.settings.data_dir], files, Integrity(files.get(READ_MODEL)).damage, self._ring.fault)
        health = TemporalHealth(client, self.settings.task_queue, storage.temporal_unwritable)
        sql = SqlHealth(self.reader, self.direct.engine, health.count_open_cases, self._ring.ids)
        return ReadinessCheck(checks(health, self.clock_check, sql, storage, self.in_force, self.clock), self.metrics)


def create_app(backend: Backend) -> FastAPI:
    """Application, which closes the backend when the server ends."""
    settings, larger = backend.settings, {**calls.LARGER_BODIES, **reading.LARGER_BODIES}
    middleware = [
        Middleware(CorrelationIdMiddleware, validator=lambda given: bool(REQUEST_ID.fullmatch(given))),
        Middleware(watch, metrics=backend.metrics),
        Middleware(check_host, hosts=backend.hosts),
        Middleware(hold_serving_lock, serving=backend.serving),
        Middleware(limit_body, settings.body_limit_bytes, larger, settings.request_seconds),
        Middleware(GZipMiddleware, compresslevel=GZIP_LEVEL, exclude_content_types=COMPRESSED),
    ]
    app = FastAPI(
        title="Water hotline 供水热线",
        version=version("water-hotline"),
        lifespan=partial(_lifespan, backend),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        middleware=middleware,
        exception_handlers=HANDLERS,
    )
    app.state.backend = backend
    for router in (*ROUTERS, *([sessions.oidc_router] if backend.oidc else [])):
        # Straight into the application's own router: an included one costs a request a tenth of a millisecond more.
        app.router.routes.extend(router.routes)
    for path in (UiProxy.path, f"{UiProxy.path}/{{path:path}}"):
        app.router.routes.append(Route(path, backend.proxy))
    # FastAPI's own page loads its script from a public network, which a control room may not reach.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters=responses.DOCS_PAGE)
    tokens = backend.bearer.tokens
    app.openapi = partial(responses.described, tokens.issuer if tokens else None)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


@asynccontextmanager
async def _lifespan(backend: Backend, _: FastAPI) -> AsyncIterator[None]:
    backend.in_force.record(backend.clock())
    await backend.reader.begin()
    await backend.people.begin()
    async with backend.writer:
        backend.recognition.start()
        yield
        await backend.clock_check.close()
        await backend.recognition.close()
        await backend.people.close()
        await backend.end_waiting()
    backend.reader.close()
    backend.direct.engine.dispose()
