"""The application: middleware, error handlers and routes on a backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_swagger import patch_fastapi
from starlette.middleware import Middleware
from starlette.routing import Route

from api import openapi
from api.backend import Backend
from api.calls import LARGER_BODIES
from api.edge.middleware import REQUEST_ID, check_host, limit_body, serve_people, watch
from api.edge.problems import HANDLERS, on_invalid
from api.routes import (
    assessment_actions,
    assessments,
    call_backs,
    call_reports,
    caller_page,
    callers,
    calls,
    complaint_actions,
    complaints,
    dead_letters,
    exclusions,
    handovers,
    incidents,
    notices,
    operations,
    parts,
    people,
    period_reports,
    reference,
    reports,
    sign_in,
    withdrawals,
)
from api.routes.parameters import OnceRoute
from api.temporal_ui import codec, pages
from api.temporal_ui.door import Door


def create_app(backend: Backend) -> FastAPI:
    """Return the application; it closes the backend when the server ends."""
    door, larger = Door(backend), {**LARGER_BODIES, **codec.LARGER_BODIES}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        backend.in_force.record(backend.clock())
        await backend.reader.begin()
        await backend.people.begin()
        async with backend.writer:
            backend.recognition.start()
            yield
            await backend.clock_check.close()
            await backend.recognition.close()
            await backend.people.close()
            await door.close()
        backend.reader.close()
        backend.direct.close()

    app = FastAPI(
        title="Water hotline 供水热线",
        version=version("water-hotline"),
        description=openapi.ABOUT,
        openapi_tags=openapi.TAGS,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(CorrelationIdMiddleware, validator=lambda given: bool(REQUEST_ID.fullmatch(given))),
            Middleware(watch, metrics=backend.metrics),
            Middleware(check_host, hosts=backend.hosts),
            Middleware(serve_people, serving=backend.serving),
            Middleware(limit_body, backend.body_limit_bytes, larger, backend.request_seconds),
        ],
        exception_handlers={
            **HANDLERS,
            RequestValidationError: partial(on_invalid, lambda: backend.catalogue.calendar.timezone),
        },
    )
    app.router.route_class = OnceRoute
    # Straight into the application's own router: an included one costs a request a tenth of a millisecond more.
    listed = (
        complaint_actions,
        complaints,
        incidents,
        notices,
        parts,
        people,
        callers,
        calls,
        call_backs,
        handovers,
        assessments,
        assessment_actions,
        exclusions,
        dead_letters,
        withdrawals,
        reports,
        call_reports,
        period_reports,
        reference,
    )
    for part in listed:
        part.operations.add_routes(app.router, backend)
    for unlisted in (operations, caller_page, sign_in, pages):
        unlisted.add_routes(app.router, backend)
    app.state.door, app.state.backend = door, backend
    for path in (Door.path, f"{Door.path}/{{path:path}}"):
        app.router.routes.append(Route(path, door))
    # FastAPI's own page loads its script from a public network, which a control room may not reach.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters=openapi.PAGE)
    app.openapi = openapi.described(app, backend.bearer.tokens)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app
