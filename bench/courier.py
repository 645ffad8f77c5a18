"""Rate of the courier: notifications of as many cases, to one receiver that answers in 50 ms, on SQLite."""

import asyncio
import multiprocessing
import socket
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import func, select
from temporalio.testing import ActivityEnvironment

from activities.notifications.courier import courier
from bench.report import Figure
from domain.case.actions.register import Registration
from domain.case.automatic.internal_updates import Undelivered
from domain.case.case import Case
from domain.case.intake import Intake, Location
from domain.case.state import ProjectionBatch
from domain.shared.actors import Actor, Role
from domain.shared.numbers import local_day, number_of
from domain.shared.value import to_milliseconds
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.base.database import engine
from readmodel.migrate import migrate
from readmodel.notifications import SENT, notifications
from readmodel.writer import GroupWriter
from worker import courier_config

COUNT, QUICK_COUNT = 3_000, 300
ANSWER_SECONDS = 0.05
LOOK_SECONDS = 0.05
CHANNELS = """
[channels.hook]
kind = "webhook"
url = "http://127.0.0.1:{port}/"
secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
[[routes]]
to = "dispatcher"
channels = ["hook"]
"""


@dataclass(frozen=True)
class Sent:
    """Seconds from the start of the courier until every notification is marked as sent."""

    count: int
    seconds: float


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of the courier."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as name:
        receiver = multiprocessing.get_context("fork").Process(target=_receive, args=(listener,), daemon=True)
        receiver.start()
        try:
            seen = await _send(Path(name), listener.getsockname()[1], QUICK_COUNT if quick else COUNT)
        finally:
            receiver.terminate()
            receiver.join()
    rate = Figure(f"of {seen.count:,} notifications, sent per second", seen.count / seen.seconds, "/s", at_least=100)
    return [rate], asdict(seen)


def _receive(listener: socket.socket) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(ANSWER_SECONDS)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", answer)
    web.run_app(app, sock=listener, print=None, access_log=None)


async def _send(folder: Path, port: int, count: int) -> Sent:
    file = folder / "channels.toml"
    file.write_text(CHANNELS.format(port=port), encoding="utf-8")
    settings = Settings(data_dir=folder, channels=file)
    migrate(settings.database_url)
    database = engine(settings.database_url)
    catalogue = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    left = select(func.count()).where(notifications.c.status != SENT)
    environment = ActivityEnvironment()
    async with GroupWriter(database) as writer:
        await asyncio.gather(*(writer.submit(each) for each in _registered(count)))
        async with courier(writer, courier_config(settings, catalogue), _give_up) as made:
            began = time.perf_counter()
            work = asyncio.create_task(environment.run(made.deliver_notifications))
            while await writer.run(lambda connection: connection.scalar(left)):  # noqa: ASYNC110 - SQL tells of no change
                await asyncio.sleep(LOOK_SECONDS)
            seconds = time.perf_counter() - began
            environment.worker_shutdown()
            await work
    database.dispose()
    return Sent(count, seconds)


def _registered(count: int) -> list[ProjectionBatch]:
    catalogue, at = load_catalogue(DEFAULT_CATALOGUE), datetime.now(UTC)
    terms, agent = catalogue.terms("leak", "west", at), Actor(id="agent", role=Role.AGENT)
    intake = Intake(service_code="leak", location=Location(district="west"), description="A wet wall.")
    numbers = list(dict.fromkeys(number_of(local_day(at), str(key)) for key in range(2 * count)))[:count]
    cases = (
        Case.register(Registration(number=number, at=at, actor=agent, owner=agent.id, intake=intake, terms=terms))
        for number in numbers
    )
    return [ProjectionBatch.of(case, events, to_milliseconds(at)) for case, events in cases]


async def _give_up(number: str, notification: Undelivered) -> None:
    raise AssertionError(f"{notification.key} of {number} was not delivered: {notification.error}")
