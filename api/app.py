"""The application: every part put together, and taken apart again when the process ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from temporalio.client import Client

from activities.notifications.caller_links import Links
from api import openapi
from api.backend import Backend
from api.codes import ByName
from api.intake import Desk
from api.metrics import Metrics
from api.middleware import BodyLimit, Watch
from api.problems import ProblemError, on_http_error, on_invalid, on_problem, on_unknown_code
from api.recognition import Recognition
from api.routes import (
    callers,
    complaint_actions,
    complaints,
    door,
    incidents,
    letters,
    notices,
    operations,
    parts,
    reference,
    reports,
)
from api.routes.parameters import OnceRoute
from api.security import BearerKey
from api.sql.letterbox import Letterbox
from api.sql.open_incidents import OpenIncidents
from api.sql.reader import Reader
from api.sql.visibility import Visibility
from api.temporal.complaints import ComplaintClient
from api.temporal.health import TemporalHealth
from api.temporal.incidents import IncidentClient
from domain.shared.codes import UnknownCode
from hotline.files.catalogue_store import CatalogueStore, InForce
from hotline.keyring import Keyring
from hotline.settings import Settings
from readmodel.database import engine


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def create_app(settings: Settings, client: Client, clock: Callable[[], datetime] = utc_now) -> FastAPI:
    """The application of these settings, on this way to Temporal, which may be down for now.

    Raises:
        CatalogueError: the catalogue cannot be used.
        KeyringError: the file of keys cannot be read.
    """
    backend = _backend(settings, client, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        backend.in_force.note(settings.catalogue, clock())
        yield
        await backend.recognition.close()
        await backend.visibility.close()
        await backend.incident_visibility.close()
        backend.reader.close()
        backend.letterbox.close()

    app = FastAPI(
        title="Water hotline 供水热线",
        version=version("water-hotline"),
        description=openapi.ABOUT,
        openapi_tags=openapi.TAGS,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        middleware=[
            Middleware(Watch, metrics=backend.metrics),
            Middleware(BodyLimit, limit=settings.body_limit_bytes),
        ],
        exception_handlers={
            ProblemError: on_problem,
            UnknownCode: on_unknown_code,
            HTTPException: on_http_error,
            RequestValidationError: partial(on_invalid, lambda: backend.catalogue.calendar.timezone),
        },
    )
    app.router.route_class = OnceRoute
    # Straight into the application's own router: an included one costs a request a tenth of a millisecond more.
    records = (complaints, incidents, notices, parts, callers, door, letters)
    for part in (complaint_actions, *records, reports, reference, operations):
        part.add_routes(app.router, backend)
    # FastAPI's own page loads its script from a public network, which a control room may not reach.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters=openapi.PAGE)
    app.openapi = openapi.described(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _backend(settings: Settings, client: Client, clock: Callable[[], datetime]) -> Backend:
    in_force = InForce.begin(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    keyring = Keyring(settings.keys_file)
    # Found out at the start, not by the first caller.
    keyring.list()
    temporal = client, settings.task_queue, settings.update_timeout_seconds
    complaint_client = ComplaintClient(*temporal)
    reading = engine(settings.database_url, read_only=True)
    reader = Reader(reading, settings.caller_lookup_seconds, lambda: in_force.catalogue.area_code)
    recognition = Recognition(reader.known_late, complaint_client.recognise)
    known_incidents = OpenIncidents(reader.taking_incidents, settings.caller_lookup_seconds)
    return Backend(
        settings=settings,
        bearer=BearerKey(keyring),
        in_force=in_force,
        by_name=ByName(in_force),
        desk=Desk(complaint_client, in_force, reader.known, recognition, known_incidents, clock),
        complaints=complaint_client,
        recognition=recognition,
        incidents=IncidentClient(*temporal),
        temporal=TemporalHealth(client, settings.task_queue),
        reader=reader,
        letterbox=Letterbox(engine(settings.database_url), clock),
        visibility=Visibility(reader.versions),
        incident_visibility=Visibility(reader.incident_versions),
        links=Links(settings.links_secret_file),
        metrics=Metrics(lambda: (in_force.catalogue.calendar.covers_until - clock().date()).days),
        clock=clock,
    )
