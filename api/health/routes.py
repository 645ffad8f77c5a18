"""Health, readiness and metrics of the service."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api.dependencies import part
from api.edge.metrics import Metrics
from api.health.answers import Component, Health, Readiness
from api.health.readiness import UNABLE, ReadinessCheck, readiness, unknown
from api.health.temporal import NO_ANSWER, NO_WORKER
from api.responses import answer_model, examples
from api.routing import OnceRoute

ALIVE = Health(status="alive")
FOUND = {
    "temporal": Component(ok=True, detail="answers"),
    "clock": Component(ok=True, detail="The clock of this API process is 0 s behind Temporal's."),
    "worker": Component(ok=True, detail="asked for tasks 12 s ago"),
    "sql": Component(ok=True, detail="answers"),
    "disk": Component(ok=True, detail="/srv/hotline has 81204 MiB left"),
    "store": Component(ok=True, detail="the files of databases and keys are in place"),
    "read_model": Component(ok=True, detail="SQL has 412 open cases, Temporal runs 412"),
    "courier": Component(ok=True, detail="gave a sign of life 4 s ago"),
    "reconciler": Component(ok=True, detail="gave a sign of life 3 s ago"),
    "surge_watch": Component(ok=True, detail="gave a sign of life 2 s ago"),
    "keys": Component(ok=True, detail="every process has the same keys"),
    "calendar": Component(ok=True, detail="the holidays are known"),
    "catalogue": Component(ok=True, detail="Zhongshan water supply hotline (5b0c1f4c20ee) is in force"),
}
"""Parts of the examples."""
READY = readiness(FOUND)
DEGRADED = readiness({**FOUND, "worker": NO_WORKER})
_ASKED_OF_TEMPORAL = ("worker", "read_model", "courier", "reconciler", "surge_watch")
_AWAY = {name: unknown("Temporal", "temporal") for name in _ASKED_OF_TEMPORAL}
UNAVAILABLE = readiness({**FOUND, "temporal": NO_ANSWER, **_AWAY})
METRICS = 'hotline_http_requests_total{method="POST",route="/v1/complaints",status="201"} 42.0\n'

TheReadiness = Annotated[ReadinessCheck, part("readiness")]
router = APIRouter(tags=["operations"], route_class=OnceRoute)


@router.get(
    "/healthz",
    summary="Is the process alive?",
    response_model=Health,
    responses={200: examples("It is.", alive=ALIVE)},
)
async def healthz() -> Response:
    """Answer without asking Temporal or SQL: the process must not be restarted because SQL is down."""
    return answer_model(ALIVE)


@router.get(
    "/readyz",
    summary="Can calls be taken?",
    response_model=Readiness,
    responses={
        200: examples("Calls can be taken; `degraded`: a part needs attention.", ready=READY, degraded=DEGRADED),
        503: {
            "model": Readiness,
            **examples("They cannot: Temporal does not answer.", unavailable=UNAVAILABLE),
        },
    },
)
async def readyz(checked: TheReadiness) -> Response:
    """Report the parts of the service. Calls need Temporal and a right clock; other faults make it `degraded`."""
    found = await checked.look()
    status = HTTPStatus.SERVICE_UNAVAILABLE if found.status == UNABLE else HTTPStatus.OK
    return answer_model(found, status)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {"example": METRICS}}},
    },
)
async def metrics(checked: TheReadiness, counted: Annotated[Metrics, part("metrics")]) -> Response:
    """Report requests, durations, answers of 202, batches written, readiness, and days of known holidays."""
    await checked.look()
    return Response(counted.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
