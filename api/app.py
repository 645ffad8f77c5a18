"""The application: middleware, error handlers and routes on a backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from fastapi_swagger import patch_fastapi
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.routing import Route

from api import dead_letters, openapi, reference
from api.assessments import routes as assessments
from api.backend import Backend
from api.calls import routes as calls
from api.complaints import actions as complaint_actions
from api.complaints import caller_page
from api.complaints import routes as complaints
from api.edge.middleware import REQUEST_ID, check_host, limit_body, serve_people, watch
from api.edge.problems import HANDLERS, PROBLEM_KINDS
from api.exports.files import XLSX
from api.health import readiness as health
from api.incidents import routes as incidents
from api.people import routes as people
from api.reports import calls as call_reports
from api.reports import routes as reports
from api.sign_in import sessions
from api.temporal_ui import acting, pages, reading
from api.temporal_ui.door import Door

ROUTERS = [
    module.router
    for module in (
        complaint_actions,
        complaints,
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
        sessions,
    )
]
GZIP_LEVEL = 6
"""Level of zlib: the next takes twice the time for less than one per cent."""
COMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, XLSX, "application/pdf")
"""Types of answers that are as small as they get, or are sent line by line."""
acting.check_words(PROBLEM_KINDS.values())  # Every module that declares one is imported.


def create_app(backend: Backend) -> FastAPI:
    """Return the application; it closes the backend when the server ends."""
    app = FastAPI(
        title="Water hotline 供水热线",
        version=version("water-hotline"),
        lifespan=partial(_lifespan, backend),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        middleware=_middleware(backend),
        exception_handlers=HANDLERS,
    )
    app.state.backend = backend
    for router in (*ROUTERS, *([sessions.oidc_router] if backend.oidc else [])):
        # Straight into the application's own router: an included one costs a request a tenth of a millisecond more.
        app.router.routes.extend(router.routes)
    for path in (Door.path, f"{Door.path}/{{path:path}}"):
        app.router.routes.append(Route(path, backend.door))
    # FastAPI's own page loads its script from a public network, which a control room may not reach.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters=openapi.PAGE)
    tokens = backend.bearer.tokens
    app.openapi = partial(openapi.described, tokens.issuer if tokens else None)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
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
        await backend.door.ui.close()
    backend.reader.close()
    backend.direct.engine.dispose()


def _middleware(backend: Backend) -> list[Middleware]:
    settings, larger = backend.settings, {**calls.LARGER_BODIES, **reading.LARGER_BODIES}
    return [
        Middleware(CorrelationIdMiddleware, validator=lambda given: bool(REQUEST_ID.fullmatch(given))),
        Middleware(watch, metrics=backend.metrics),
        Middleware(check_host, hosts=backend.hosts),
        Middleware(serve_people, serving=backend.serving),
        Middleware(limit_body, settings.body_limit_bytes, larger, settings.request_seconds),
        Middleware(GZipMiddleware, compresslevel=GZIP_LEVEL, exclude_content_types=COMPRESSED),
    ]
