"""For those who run the service: is it alive, can it take calls, what has it done."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api import examples, openapi, render
from api.backend import Backend
from api.schemas import Component, Health, Readiness

LOOK_SECONDS = 2.0
"""Longest look at each part; they are looked at side by side."""


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations that need no key; they tell nothing of any case."""

    @router.get(
        "/healthz",
        tags=["operations"],
        operation_id="healthz",
        summary="Is the process alive?",
        response_model=Health,
        responses={200: openapi.example("It is.", "alive"), **openapi.errors()},
    )
    async def healthz() -> Response:
        """Asks nobody else: whoever restarts a process by this answer must not do so because SQL is down."""
        return render.answer(b'{"status":"alive"}')

    @router.get(
        "/readyz",
        tags=["operations"],
        operation_id="readyz",
        summary="Can calls be taken?",
        response_model=Readiness,
        responses={
            200: openapi.example("Calls can be taken.", "ready"),
            503: {"model": Readiness, **openapi.example("They cannot: Temporal does not answer.", "not_ready")},
            **openapi.errors(),
        },
    )
    async def readyz() -> Response:
        """Taking calls needs Temporal alone; the rest makes the service `degraded`."""
        found = await _look(backend)
        status = HTTPStatus.OK if found.temporal.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return render.answer(found.model_dump_json().encode(), status)

    @router.get(
        "/metrics",
        tags=["operations"],
        operation_id="metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={
            200: {"description": "Prometheus' text format.", "content": {"text/plain": {"example": examples.METRICS}}},
            **openapi.errors(),
        },
    )
    async def metrics() -> Response:
        """Requests, durations, answers of 202, waits for SQL, days until the known holidays end."""
        return Response(backend.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _look(backend: Backend) -> Readiness:
    temporal, sql, seen = await asyncio.gather(
        backend.temporal.alive(LOOK_SECONDS),
        backend.reader.alive(LOOK_SECONDS),
        backend.temporal.worker_seen(LOOK_SECONDS),
    )
    warnings = backend.in_force.calendar_warnings(backend.clock().date())
    worker = "no worker asks for tasks" if seen is None else f"asked for tasks {max(seen, 0):.0f} s ago"
    parts = {
        "temporal": Component(ok=temporal, detail="answers" if temporal else "does not answer"),
        "sql": Component(ok=sql, detail="answers" if sql else "does not answer, or its tables are missing"),
        "worker": Component(ok=seen is not None, detail=worker),
        "calendar": Component(ok=not warnings, detail=" ".join(warnings) or "the holidays are known"),
    }
    parts["catalogue"] = _catalogue(backend)
    rest = "ready" if all(part.ok for part in parts.values()) else "degraded"
    return Readiness(status=rest if temporal else "unavailable", **parts)


def _catalogue(backend: Backend) -> Component:
    in_force = backend.in_force
    edition = in_force.edition
    return Component(ok=in_force.sound, detail=in_force.remark or f"{edition.name} ({edition.digest}) is in force")
