"""Main of the API process: `python -m api`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from socket import create_server, socket
from typing import Any, NamedTuple

import uvicorn
from fastapi import FastAPI
from sqlalchemy import make_url
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from temporalio.client import Client

from activities.notifications.caller_links import CallerLinks
from activities.projection import Projection
from activities.sealing.keys import Seal
from api.app import create_app
from api.assessments.assessments import Assessments
from api.assessments.exclusions import Exclusions
from api.backend import Access, Backend, Common, Edge, TemporalUi
from api.complaints.actions import ComplaintActions
from api.complaints.caller_page import CallerPage
from api.complaints.cases import Cases
from api.complaints.intake import IntakeService, Recognition
from api.directory import People
from api.documents.documents import Documents
from api.documents.printer import printer
from api.edge.browsers import SealedCookie
from api.edge.connections import ConnectionBounds, bounded_protocol
from api.edge.limits import TOO_MANY_ACTIONS, Limit, Limits
from api.edge.metrics import Metrics
from api.exports.files import remove_left_rows
from api.health.readiness import ReadinessCheck, checks
from api.health.sql import SqlHealth
from api.health.storage import READ_MODEL, TEMPORAL, Integrity, Storage
from api.health.temporal import TemporalHealth
from api.incidents.incidents import Incidents
from api.naming import Naming
from api.people.handovers import Handovers
from api.sign_in.issuer import Issuer
from api.sign_in.oidc import CALLBACK, Handshake, OidcClient, OidcSignIn
from api.sign_in.routes import SignIn
from api.sign_in.security import BearerKey
from api.sign_in.sessions import Session, Sessions
from api.sign_in.tokens import ClaimMap, Tokens
from api.sql.reader import DirectWriter, Reader
from api.sql.writer import ProjectionWriter
from api.temporal.assessments import AssessmentClient
from api.temporal.backlog import Backlog
from api.temporal.clock import ClockCheck, temporal_time
from api.temporal.complaints import ComplaintClient
from api.temporal.handovers import HandoverClient
from api.temporal.incidents import IncidentClient
from api.temporal_ui.dangerous import Confirmation, Dangerous
from api.temporal_ui.door import Door, lead_from_former_port
from api.temporal_ui.pages import TemporalPages
from hotline import entry, process
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.files.channels import load_channels
from hotline.files.data_folder import ServingLock, write_private
from hotline.installation import require_own, until_compared
from hotline.keys import keep_renewed, ring_of
from hotline.settings import Settings, hosts_of, require_encryption
from hotline.temporal.connection import connect
from readmodel.base.database import engine
from readmodel.writer import GroupWriter

PROGRAM = "api"
"""Name under which SQL has the keys of this process."""
GRACE_SECONDS = 12
"""Seconds for open requests at shutdown, longer than any of them may take."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def unserved(settings: Settings) -> FastAPI:
    """Return the application to be asked what it serves. Nothing answers it, and it answers nobody."""
    return create_app(assemble(settings, asyncio.run(Client.connect("127.0.0.1:9", lazy=True))))


def assemble(
    settings: Settings, client: Client, clock: Callable[[], datetime] = utc_now, clock_check: ClockCheck | None = None
) -> Backend:
    """Return the backend of these settings. Temporal and SQL may be down.

    `clock_check` compares the clock with Temporal's; None makes one.

    Raises:
        FileError: the catalogue or the file of channels cannot be used.
        KeysError: the keys cannot be read.
    """
    common = _common(settings, client, clock)
    in_force, reader, naming, projection = common.in_force, common.reader, common.naming, common.projection
    clock_check = clock_check or ClockCheck(clock, partial(temporal_time, client))
    clients = _clients(settings, client, clock_check, projection)
    complaints, most = clients.complaints, settings.incidents_per_hour
    cases, access = Cases(reader, complaints, projection, clock), _access(settings, common)
    recognition = Recognition(reader, complaints, projection)
    incidents = Incidents(clients.incidents, naming, reader, projection, cases, in_force, common.turns, most, clock)
    assessments = Assessments(clients.assessments, reader, common.direct, common.people, in_force, clock)
    return Backend(
        common=common,
        edge=_edge(settings),
        access=access,
        temporal_ui=_temporal_ui(settings, common, cases, access.sessions),
        clock_check=clock_check,
        cases=cases,
        intake=IntakeService(complaints, clients.backlog, in_force, reader, projection, recognition, naming, clock),
        recognition=recognition,
        complaint_actions=_complaint_actions(settings, common, clients, cases, recognition),
        caller_page=CallerPage(cases, in_force, CallerLinks(ring_of(settings)), common.limits, access.sessions.secure),
        incidents=incidents,
        handovers=Handovers(clients.handovers, reader, common.direct, naming, common.people, clock),
        assessments=assessments,
        exclusions=Exclusions(cases, reader, common.direct, assessments, in_force, clock),
        documents=Documents(settings.templates),
        print_pdf=printer(),
        readiness=_readiness(settings, client, common, clock_check),
    )


def _common(settings: Settings, client: Client, clock: Callable[[], datetime]) -> Common:
    in_force = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    # An unreadable file is reported at the start, not by the first request.
    ring_of(settings).list()
    reading = engine(settings.database_url, read_only=True)
    reader = Reader(reading, settings.caller_lookup_seconds, lambda: in_force.catalogue.area_code)
    writing = engine(settings.database_url, unsafe_at_power_loss=settings.unsafe_at_power_loss)
    writer = GroupWriter(
        writing, group_size=settings.projection_group_size, linger_seconds=settings.projection_linger_seconds
    )
    kept, keep = partial(_read, settings.people_file), partial(write_private, settings.people_file)
    people = People(reader, writing, settings.people_seconds, clock, kept, keep)
    metrics = Metrics(lambda: (in_force.catalogue.calendar.covers_until - clock().date()).days)
    return Common(
        clock=clock,
        in_force=in_force,
        limits=Limits(settings.guesses_per_minute, settings.reads_per_minute, settings.writes_per_minute),
        reader=reader,
        direct=DirectWriter(writing),
        writer=writer,
        projection=ProjectionWriter(Projection(writer, client, settings.sql_wait_seconds), reader, metrics),
        people=people,
        naming=Naming(people, takes_unknown=settings.unknown_people == "allow"),
        metrics=metrics,
    )


class _Clients(NamedTuple):
    """Clients of Temporal."""

    complaints: ComplaintClient
    incidents: IncidentClient
    assessments: AssessmentClient
    handovers: HandoverClient
    backlog: Backlog


def _clients(settings: Settings, client: Client, clock_check: ClockCheck, projection: ProjectionWriter) -> _Clients:
    actions = Limit(TOO_MANY_ACTIONS, settings.actions_per_case, "actions")
    temporal = client, settings.task_queue, settings.update_timeout_seconds, clock_check
    return _Clients(
        ComplaintClient(*temporal, actions, projection.acknowledged),
        IncidentClient(*temporal, actions, projection.acknowledged),
        AssessmentClient(*temporal, actions),
        HandoverClient(*temporal),
        Backlog(client, settings.task_queue),
    )


def _complaint_actions(
    settings: Settings, common: Common, clients: _Clients, cases: Cases, recognition: Recognition
) -> ComplaintActions:
    return ComplaintActions(
        clients.complaints,
        common.naming,
        cases,
        clients.incidents,
        common.in_force,
        common.reader,
        recognition,
        common.turns,
        load_channels(settings.channels).texts_callers,
        common.clock,
    )


def _edge(settings: Settings) -> Edge:
    return Edge(
        hosts=hosts_of(settings),
        body_limit_bytes=settings.body_limit_bytes,
        request_seconds=settings.request_seconds,
        serving=ServingLock(settings.data_dir).serving,
    )


def _access(settings: Settings, common: Common) -> Access:
    people, limits, clock = common.people, common.limits, common.clock
    tokens = _tokens(settings, Issuer(settings.oidc_issuer), common) if settings.oidc_issuer else None
    ring, secure = ring_of(settings), _is_secure(settings)
    handshake = SealedCookie("hotline-oidc", Seal(ring, "oidc"), Handshake, clock, secure=secure)
    oidc = _oidc(settings, tokens, handshake, clock) if tokens and settings.oidc_client_id else None
    session = SealedCookie("hotline", Seal(ring, "session"), Session, clock, secure=secure)
    sessions = Sessions(session, people, clock, settings.oidc_issuer if oidc else None)
    bearer = BearerKey(people, limits, tokens)
    sign_in = SignIn(sessions, bearer, limits, people, common.direct)
    return Access(bearer=bearer, sessions=sessions, sign_in=sign_in, oidc=oidc)


def _is_secure(settings: Settings) -> bool:
    """Return True if browsers reach the API over TLS alone."""
    return settings.tls_certificate is not None or settings.public_url.startswith("https:")


def _temporal_ui(settings: Settings, common: Common, cases: Cases, sessions: Sessions) -> TemporalUi:
    limits, in_force, seal = common.limits, common.in_force, Seal(ring_of(settings), "confirmation")
    confirmation = SealedCookie(
        "hotline-grant", seal, Confirmation, common.clock, secure=_is_secure(settings), strict=True
    )
    dangerous = Dangerous(cases, confirmation)
    return TemporalUi(
        door=Door(settings.temporal_ui_url, cases, sessions, limits, in_force, dangerous, common.turns),
        dangerous=dangerous,
        temporal_pages=TemporalPages(cases, sessions, limits, in_force),
    )


def _readiness(settings: Settings, client: Client, common: Common, clock_check: ClockCheck) -> ReadinessCheck:
    files, ring = _files(settings), ring_of(settings)
    storage = Storage([settings.data_dir], files, Integrity(files.get(READ_MODEL)).damage, ring.fault)
    health = TemporalHealth(client, settings.task_queue, storage.temporal_unwritable)
    sql = SqlHealth(common.reader, common.direct.engine, health.count_open_cases, ring.ids)
    return ReadinessCheck(checks(health, clock_check, sql, storage, common.in_force, common.clock), common.metrics)


def _read(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _tokens(settings: Settings, issuer: Issuer, common: Common) -> Tokens:
    claims = ClaimMap(
        person=settings.oidc_person_claim,
        name=settings.oidc_name_claim,
        role=settings.oidc_role_claim,
        department=settings.oidc_department_claim,
        roles=settings.oidc_roles,
        departments=lambda: common.catalogue.departments,
    )
    return Tokens(issuer, settings.oidc_audience, claims)


def _oidc(
    settings: Settings, tokens: Tokens, cookie: SealedCookie[Handshake], clock: Callable[[], datetime]
) -> OidcSignIn:
    client = OidcClient(settings.oidc_client_id, settings.oidc_client_secret, f"{settings.public_url}{CALLBACK}")
    return OidcSignIn(tokens, client, cookie, clock)


def _files(settings: Settings) -> dict[str, Path]:
    """Return the SQLite files of this machine by the name of their database."""
    url = make_url(settings.database_url)
    read_model = Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None
    found = {READ_MODEL: read_model, TEMPORAL: settings.temporal_file}
    return {name: path for name, path in found.items() if path}


async def serve(settings: Settings, address: str | None = None) -> None:
    """Answer until SIGTERM or SIGINT, then end open requests.

    `address` is that of the API, to which requests at HOTLINE_UI_PORT are led; None leaves that port closed.
    """
    require_encryption(settings)
    remove_left_rows()
    client = await connect(settings, lazy=True)
    await require_own(client, settings, PROGRAM)
    backend = assemble(settings, client)
    app = create_app(backend)
    server = _Server(server_config(app, settings))
    server.end_waiting = app.state.door.close
    if address:
        app.user_middleware.append(Middleware(lead_from_former_port, port=settings.ui_port, api=address))
        server.further_port = settings.ui_port

    async def keep() -> None:
        try:
            # A store that does not answer yet is compared when it does.
            await asyncio.gather(
                until_compared(client, settings), keep_renewed(backend.common.direct.engine, ring_of(settings), PROGRAM)
            )
        finally:
            server.should_exit = True

    keeping = asyncio.create_task(keep())
    # It takes a second of a processor, for which no request shall wait.
    describing = asyncio.create_task(asyncio.to_thread(app.openapi))
    await server.serve()
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    await describing


class _Server(uvicorn.Server):
    """Server that ends what pages of the Temporal UI wait for, up to a minute, before it waits for open requests.

    It answers without TLS at a further port of this machine too, if there is one.
    """

    end_waiting: Callable[[], Awaitable[None]]
    further_port: int | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen. Raises OSError, before anything has begun, if the further port is taken."""
        bound = create_server(("127.0.0.1", self.further_port)) if self.further_port else None
        await super().startup(sockets)
        if bound:
            # Typed as a class of which nobody knows how to make one.
            protocol: Any = self.config.http_protocol_class
            connection = partial(protocol, self.config, self.server_state, self.lifespan.state)
            self.servers.append(await asyncio.get_running_loop().create_server(connection, sock=bound))

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await self.end_waiting()
        await super().shutdown(sockets)


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    bounds = ConnectionBounds(settings.request_seconds, settings.connections, settings.connections_per_address)
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=bounded_protocol(bounds),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # An address that a client names itself would escape the limit of wrong keys.
        proxy_headers=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        headers=[("strict-transport-security", "max-age=31536000")] if settings.tls_certificate else [],
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def main(address: str | None = None) -> None:
    """Start the API with the settings of the environment. `hotline up` gives its address: see `serve`."""
    process.run(partial(serve, address=address))


if __name__ == "__main__":
    entry.run_main(partial(main, *sys.argv[1:]))
