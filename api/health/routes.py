"""Health, readiness and metrics of the service."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api.dependencies import part
from api.edge.middleware import Metrics
from api.health import Health, Readiness
from api.health.readiness import UNABLE, ReadinessCheck
from api.responses import examples
from api.routing import OnceRoute

ALIVE = Health(status="alive")
METRICS = 'hotline_http_requests_total{method="POST",route="/v1/complaints",status="201"} 42.0\n'

TheReadiness = Annotated[ReadinessCheck, part("readiness")]
router = APIRouter(tags=["operations"], route_class=OnceRoute)


@router.get("/healthz", summary="Is the process alive?", responses={200: examples("It is.", "alive")})
async def healthz() -> Health:
    """Answer without asking Temporal or SQL: the process must not be restarted because SQL is down."""
    return ALIVE


@router.get(
    "/readyz",
    summary="Can calls be taken?",
    responses={
        200: examples("Calls can be taken; `degraded`: a part needs attention.", "ready", "degraded"),
        503: {"model": Readiness, **examples("They cannot: Temporal does not answer.", "unavailable")},
    },
)
async def readyz(checked: TheReadiness, response: Response) -> Readiness:
    """Report the parts of the service. Calls need Temporal and a right clock; other faults make it `degraded`."""
    found = await checked.look()
    if found.status == UNABLE:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return found


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {"example": METRICS}}}},
)
async def metrics(checked: TheReadiness, counted: Annotated[Metrics, part("metrics")]) -> Response:
    """Report requests, durations, answers of 202, batches written, readiness, and days of known holidays."""
    await checked.look()
    return Response(counted.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
