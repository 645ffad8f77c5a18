"""Health, readiness and metrics of the service."""

from http import HTTPStatus

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.health.readiness import UNABLE, readiness, unknown
from api.health.temporal import NO_ANSWER, NO_WORKER
from api.schemas import Component, Health, Readiness


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations that need no key; they tell nothing of any case."""

    @router.get(
        "/healthz",
        tags=["operations"],
        summary="Is the process alive?",
        response_model=Health,
        responses={200: openapi.example("It is.", ("alive", ALIVE)), **openapi.errors_of()},
    )
    async def healthz() -> Response:
        """Answer without asking Temporal or SQL: the process must not be restarted because SQL is down."""
        return render.model(ALIVE)

    @router.get(
        "/readyz",
        tags=["operations"],
        summary="Can calls be taken?",
        response_model=Readiness,
        responses={
            200: openapi.example(
                "Calls can be taken; `degraded`: a part needs attention.", ("ready", READY), ("degraded", DEGRADED)
            ),
            503: {
                "model": Readiness,
                **openapi.example("They cannot: Temporal does not answer.", ("unavailable", UNAVAILABLE)),
            },
            **openapi.errors_of(),
        },
    )
    async def readyz() -> Response:
        """Report the parts of the service. Calls need Temporal and a right clock; other faults make it `degraded`."""
        found = await backend.readiness.look()
        status = HTTPStatus.SERVICE_UNAVAILABLE if found.status == UNABLE else HTTPStatus.OK
        return render.model(found, status)

    @router.get(
        "/metrics",
        tags=["operations"],
        summary="Figures for Prometheus",
        response_class=Response,
        responses={
            200: {"description": "Prometheus' text format.", "content": {"text/plain": {"example": METRICS}}},
            **openapi.errors_of(),
        },
    )
    async def metrics() -> Response:
        """Report requests, durations, answers of 202, batches written, readiness, and days of known holidays."""
        await backend.readiness.look()
        return Response(backend.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


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
