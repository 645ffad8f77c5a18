"""Health, readiness and metrics of the service."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.schemas import Component, Health, Readiness
from api.temporal.clock import describe, is_off

CHECK_SECONDS = 2.0
"""Longest check of each part; the parts are checked at the same time."""
UNAVAILABLE = "unavailable"


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
            200: openapi.example("Calls can be taken.", ("ready", READY)),
            503: {
                "model": Readiness,
                **openapi.example("They cannot: Temporal does not answer.", ("not_ready", NOT_READY)),
            },
            **openapi.errors_of(),
        },
    )
    async def readyz() -> Response:
        """Report the parts of the service. Calls need Temporal and a right clock; other faults make it `degraded`."""
        found = await _check(backend)
        down = found.status == UNAVAILABLE
        return render.model(found, HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK)

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
        """Report requests, durations, answers of 202, waits for SQL, and days until the known holidays end."""
        return Response(backend.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _check(backend: Backend) -> Readiness:
    temporal, offset, sql, seen = await asyncio.gather(
        backend.temporal.alive(CHECK_SECONDS),
        backend.clock_check.offset(),
        backend.reader.alive(CHECK_SECONDS),
        backend.temporal.worker_seen(CHECK_SECONDS),
    )
    warnings = backend.catalogue.calendar_warnings(backend.clock().date())
    in_force, edition = backend.in_force, backend.in_force.edition
    catalogue = in_force.remark or f"{edition.name} ({edition.digest}) is in force"
    return _readiness(temporal, offset, sql, seen, warnings, Component(ok=in_force.sound, detail=catalogue))


def _readiness(
    temporal: bool,
    offset: timedelta | None,
    sql: bool,
    seen: float | None,
    warnings: Sequence[str],
    catalogue: Component,
) -> Readiness:
    worker = "no worker asks for tasks" if seen is None else f"asked for tasks {max(seen, 0):.0f} s ago"
    parts = {
        "temporal": Component(ok=temporal, detail="answers" if temporal else "does not answer"),
        "clock": Component(ok=offset is not None and not is_off(offset), detail=describe(offset)),
        "sql": Component(ok=sql, detail="answers" if sql else "does not answer, or its tables are missing"),
        "worker": Component(ok=seen is not None, detail=worker),
        "calendar": Component(ok=not warnings, detail=" ".join(warnings) or "the holidays are known"),
        "catalogue": catalogue,
    }
    rest = "ready" if all(part.ok for part in parts.values()) else "degraded"
    return Readiness(status=rest if temporal and not is_off(offset) else UNAVAILABLE, **parts)


ALIVE = Health(status="alive")
_SOUND = Component(ok=True, detail="Zhongshan water supply hotline (5b0c1f4c20ee) is in force")
READY = _readiness(True, timedelta(), True, 12.0, (), _SOUND)
NOT_READY = _readiness(False, None, True, None, (), _SOUND)
METRICS = 'hotline_http_requests_total{method="POST",route="/v1/complaints",status="201"} 42.0\n'
