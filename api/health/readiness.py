"""Readiness of the service: if calls can be taken, and for each part the reason and remedy if it is not ok."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from itertools import islice
from time import monotonic
from typing import Annotated

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response
from temporalio.service import RPCError, RPCStatusCode

from activities.recovery.reconcile import SWEEP_EVERY
from activities.recovery.report import ReconcilerReport
from activities.run_status import UNPAUSE
from api.edge.middleware import Metrics
from api.health import Component, Health, Readiness, fault, fine
from api.health.sql import SqlHealth
from api.health.storage import Storage
from api.health.temporal import TemporalHealth, worker_of
from api.responses import examples
from api.routing import CurrentCatalogue, StrictRoute, from_backend
from api.temporal.server import ClockCheck, describe_offset, is_off
from readmodel.notifications import oldest_due
from readmodel.recovery import lost_cases
from workflows.clients import upkeep

CHECK_SECONDS = 2.0
"""Longest check of each part; all are checked at the same time."""
FRESH_SECONDS = 1.0
"""Time for which a result is given again, so that many probes cost no more than one."""
LATE_SECONDS = 300
"""Age of the oldest notification that is due from which on the service is degraded."""
LONGEST_SWEEP = 2 * SWEEP_EVERY
"""Time without a whole comparison of Temporal and SQL from which on the service is degraded."""
CALENDAR_DAYS = 14
"""Days before the end of the known holidays from which on the service is degraded; before that it gives notice."""
NOT_PREPARED = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND)
"""Errors of a Temporal that answers, and whose namespace or search attributes are missing."""

UNAVAILABLE = "unavailable"
"""Status of a service that takes no calls."""
MOST_IN_DETAIL = 5
"""Cases that the detail names."""

Checks = Mapping[str, Callable[[], Awaitable[Component]]]
log = logging.getLogger("hotline.api")


@dataclass
class ReadinessCheck:
    """Check of all parts of the service, each by the name of its field in `Readiness`; metrics record each result."""

    checks: Checks
    metrics: Metrics
    _task: asyncio.Task[Readiness] | None = None
    _found_at: float = 0.0

    async def result(self) -> Readiness:
        """Readiness that was found within the last second, or is found now."""
        if self._task is None or (self._task.done() and monotonic() - self._found_at >= FRESH_SECONDS):
            self._task = asyncio.create_task(self._check())
        # One client that hangs up must not end the check of the others.
        return await asyncio.shield(self._task)

    async def _check(self) -> Readiness:
        found = await asyncio.gather(*(_guarded(name, check) for name, check in self.checks.items()))
        parts = dict(zip(self.checks, found, strict=True))
        result = readiness(parts)
        self.metrics.checked(result.status, {name: part.ok for name, part in parts.items()})
        self._found_at = monotonic()
        return result


def checks(
    temporal: TemporalHealth,
    clock_check: ClockCheck,
    sql: SqlHealth,
    storage: Storage,
    in_force: CurrentCatalogue,
    clock: Callable[[], datetime],
) -> Checks:
    """For a further part: an entry here, a field of `Readiness`, an example of its route."""
    return {
        "temporal": temporal.temporal,
        "clock": partial(_clock, clock_check),
        "worker": temporal.worker,
        "sql": sql.sql,
        "disk": storage.disk,
        "store": storage.store,
        "read_model": sql.read_model,
        "courier": partial(_courier, temporal, sql, clock),
        "reconciler": partial(_reconciler, temporal, sql, clock),
        "surge_watch": partial(temporal.poller, upkeep.SURGE_WATCH),
        "keys": lambda: sql.keys(clock()),
        "calendar": partial(_calendar, in_force, clock),
        "catalogue": partial(_catalogue, in_force),
    }


def readiness(parts: Mapping[str, Component]) -> Readiness:
    """Count a service as unavailable only without Temporal or a right clock."""
    rest = "ready" if all(part.ok for part in parts.values()) else "degraded"
    return Readiness(status=rest if parts["temporal"].ok and parts["clock"].ok else UNAVAILABLE, **parts)


async def _guarded(name: str, check: Callable[[], Awaitable[Component]]) -> Component:
    """Run the check, or tell why the part cannot be checked within CHECK_SECONDS. Raises nothing."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        remedy = "Look up the part in docs/when-something-is-wrong.md."
        return fault(f"not known: no answer within {CHECK_SECONDS:g} s", remedy)
    except SQLAlchemyError:
        return unknown("SQL", "sql")
    except (RPCError, RuntimeError) as error:  # RuntimeError: of a client that could not connect yet
        if isinstance(error, RPCError) and error.status in NOT_PREPARED:
            remedy = "Run `hotline temporal-setup`: a search attribute or the namespace is missing."
            return fault("not known: Temporal refuses the question", remedy)
        return unknown("Temporal", "temporal")
    except Exception:
        log.exception("the part %s cannot be checked", name)
        return fault("not known: its check failed", "Read the log of the API.")


def unknown(what: str, part: str) -> Component:
    return fault(f"not known: {what} does not answer", f"See the part `{part}`.")


async def _courier(temporal: TemporalHealth, sql: SqlHealth, clock: Callable[[], datetime]) -> Component:
    """Not ok if a due notification is late, or the courier sends what is due in another database than this."""
    found, oldest = await temporal.described(upkeep.COURIER), None
    poller = await temporal.poller_by(found, upkeep.COURIER)
    if not poller.ok:
        return poller
    # SQL that is down is told by a part of its own.
    with suppress(TimeoutError, SQLAlchemyError):
        async with asyncio.timeout(CHECK_SECONDS / 2):
            oldest = await sql.reader.read(oldest_due, clock())
            if (on := worker_of(found)) and await sql.misses(on, clock()):
                remedy = "Stop that worker, and compare its HOTLINE_DATABASE_URL with that of the others."
                return fault(f"runs on the worker {on} (process and host), which does not use this database", remedy)
    if oldest is None:
        return poller
    waits = int((clock() - oldest).total_seconds())
    detail = f"the oldest notification that is due waits for {waits} s"
    if waits < LATE_SECONDS:
        return fine(f"{poller.detail}; {detail}")
    remedy = "Read the log of the worker for channels that are slow or fail; raise their `concurrency`."
    return fault(detail, remedy)


_NO_SCHEDULE = (
    f"End the workflow `{upkeep.WORKFLOW}` if this lasts with Temporal up and the part `worker` names no other remedy;"
    " a worker makes the Schedule again."
)


async def _reconciler(temporal: TemporalHealth, sql: SqlHealth, clock: Callable[[], datetime]) -> Component:
    """Not ok as well if it cannot compare, or an operator has something to mend."""
    poller = await temporal.poller(upkeep.RECONCILER)
    if not poller.ok:
        return poller
    report = await upkeep.last_report(temporal.client) or ReconcilerReport()
    if report.fault:
        detail = f"the last comparison of Temporal and SQL failed: {report.fault}"
        return fault(detail, "Read the log of the worker. It tries again by itself.")
    if report.unswept_since and clock() - report.unswept_since > LONGEST_SWEEP:
        # Somebody else may also have repeated an old report.
        detail = f"it has made no whole comparison since {report.unswept_since:%Y-%m-%d %H:%M} UTC"
        return fault(detail, f"Read the log of the worker; terminate `{upkeep.RECONCILER.id}`.")
    faults: dict[str, str] = {}
    if report.paused:
        faults[f"{report.paused_count} open cases are paused: {', '.join(report.paused[:MOST_IN_DETAIL])}"] = UNPAUSE
    if report.stuck:
        faults[f"{report.stuck_count} open workflows do not go on: {', '.join(report.stuck)}"] = (
            "Read the log of the worker: it may lack a key (`hotline keys merge`). If somebody posed as a worker, or"
            " has paused or pinned it, end the workflow and run `hotline rebuild workflows --case NUMBER`. For what is"
            " no case, docs/reconciler.md says how to go on."
        )
    if lost := await sql.reader.read(lost_cases):
        lists = ", ".join(f"`GET /v1/complaints?lost={why}`" for why in sorted({*lost.values()}))
        faults[f"{len(lost)} open cases have lost their workflow: {_named(lost)}"] = (
            f"Run `hotline rebuild workflows`, or `--case NUMBER` with it for one; they are listed by {lists}."
        )
    if report.unreadable:
        remedy = "Run the release that wrote them; if it is this one, report it: a rule broke their state."
        faults[f"cases cannot be read: {_named(report.unreadable)}"] = remedy
    try:
        if (found := await upkeep.describe_schedule(temporal.client)) and found.schedule.state.paused:
            remedy = "Unpause the Schedule in the Temporal UI."
            faults[f"the Schedule `{upkeep.SCHEDULE}` is paused: no report or assessment begins"] = remedy
    except RPCError:
        faults[f"the Schedule `{upkeep.SCHEDULE}` does not answer"] = _NO_SCHEDULE
    return Component(ok=False, detail="; ".join(faults), remedy=" ".join(faults.values())) if faults else poller


def _named(why: Mapping[str, str]) -> str:
    return ", ".join(f"{number} ({fault})" for number, fault in islice(why.items(), MOST_IN_DETAIL))


async def _clock(check: ClockCheck) -> Component:
    """Find no fault in a clock that cannot be compared, as it refuses no call."""
    offset = await check.offset()
    remedy = "Set the clocks of the API's and of Temporal's machine, for example by NTP." if is_off(offset) else None
    return Component(ok=not is_off(offset), detail=describe_offset(offset), remedy=remedy)


async def _calendar(in_force: CurrentCatalogue, clock: Callable[[], datetime]) -> Component:
    end = in_force.catalogue.calendar_end(clock().date())
    if end is None:
        return fine("the holidays are known")
    return Component(ok=end.days_left > CALENDAR_DAYS, detail=end.detail, remedy=end.remedy)


async def _catalogue(in_force: CurrentCatalogue) -> Component:
    edition = in_force.edition
    detail = in_force.remark or f"{edition.name} ({edition.digest}) is in force"
    remedy = None if in_force.sound else "Put a catalogue in force with `hotline catalogue apply FILE`."
    return Component(ok=in_force.sound, detail=detail, remedy=remedy)


ALIVE = Health(status="alive")
METRICS = 'hotline_http_requests_total{method="POST",route="/v1/complaints",status="201"} 42.0\n'

TheReadiness = Annotated[ReadinessCheck, from_backend("readiness")]
router = APIRouter(tags=["operations"], route_class=StrictRoute)


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
    found = await checked.result()
    if found.status == UNAVAILABLE:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return found


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {"example": METRICS}}}},
)
async def metrics(checked: TheReadiness, counted: Annotated[Metrics, from_backend("metrics")]) -> Response:
    """Report requests, durations, answers of 202, batches written, readiness, and days of known holidays."""
    await checked.result()
    return Response(counted.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
