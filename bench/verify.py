"""Comparison of both stores by `hotline verify`, with as many cases as a water company has open at its worst.

The cases are written to SQL and started in Temporal as the service does both, many at a time, and without a worker:
the comparison asks none.
"""

import asyncio
import os
import signal
import time
from datetime import UTC, datetime
from typing import Any

from bench.report import Figure
from bench.server import Service
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.intake import Intake, Location
from domain.case.state import ProjectionBatch
from domain.shared.actors import Actor, Role
from domain.shared.numbers import local_day, number_of
from domain.shared.value import to_milliseconds
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from hotline.temporal.connection import connect
from readmodel.base.database import engine, writing
from readmodel.projection import write
from workflows.clients.complaints import complaint_options
from workflows.clients.start import Request, start_once
from workflows.complaint.messages import start_from
from workflows.complaint.workflow import ComplaintWorkflow

CASES, QUICK_CASES = 100_000, 2_000
AT_ONCE = 100


async def measure(service: Service, *, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Put open cases into both stores and measure their comparison. Raises ServiceError if they differ."""
    cases = QUICK_CASES if quick else CASES
    os.kill(service.processes()["worker"], signal.SIGSTOP)
    await _fill(service, cases)
    began = time.perf_counter()
    printed = await service.hotline("verify")
    seconds = time.perf_counter() - began
    os.kill(service.processes()["worker"], signal.SIGCONT)
    figures = [Figure(f"{cases:,} cases compared in both stores", seconds, "s", at_most=120)]
    return figures, {"cases": cases, "seconds": seconds, "printed": printed.strip()}


async def _fill(service: Service, cases: int) -> None:
    settings = service.settings
    client = await connect(settings)
    database = engine(settings.database_url)
    catalogue, now = load_catalogue(DEFAULT_CATALOGUE), datetime.now(UTC)
    terms, agent = catalogue.terms("leak", "west", now), Actor(id="agent", role=Role.AGENT)
    intake = Intake(service_code="leak", location=Location(district="west"), description="A wet wall.")
    day, changed_at = local_day(now), to_milliseconds(now)
    numbers = list(dict.fromkeys(number_of(day, str(key)) for key in range(2 * cases)))[:cases]

    async def start(number: str) -> ProjectionBatch:
        registration = Registration(number=number, at=now, actor=agent, owner=agent.id, intake=intake, terms=terms)
        case, events = Case.register(registration)
        options = complaint_options(case, changed_at)
        message = start_from(case, events, changed_at, {})
        request = Request(key=number)
        await start_once(client, request, ComplaintWorkflow.run, message, task_queue=settings.task_queue, **options)
        return ProjectionBatch.of(case, events, changed_at)

    for first in range(0, cases, AT_ONCE):
        batches = await asyncio.gather(*map(start, numbers[first : first + AT_ONCE]))
        with writing(database) as connection:
            write(connection, batches, {batch.number: 1 for batch in batches})
    database.dispose()
