"""Main of the worker process, which runs workflows and activities."""

import asyncio
import logging
import math
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from inspect import getmembers
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.worker import Worker

from activities.assessments import AssessmentActivities
from activities.bulk import BulkActivities
from activities.cases import BulkThrottle, CaseUpdates, Projection, read
from activities.incidents import IncidentActivities, IncidentMessages, IncidentTitles
from activities.names import assessment_id
from activities.notifications.courier import CourierConfig, Polling, courier, report_undelivered
from activities.notifications.texts import Templates
from activities.recovery.case_workflows import CaseWorkflows
from activities.recovery.reconcile import Reconciler, Repairs
from activities.reports import ReportActivities
from activities.sealing.keys import Links
from activities.surge_watch import SurgeWatch
from domain.incident.state import Opening
from domain.reports.report import ReportKind, due_periods
from hotline import entry, process
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.files.channels import load_channels
from hotline.files.data_folder import ServingLock
from hotline.installation import require_own, until_compared
from hotline.keys import renew_repeatedly, ring_of
from hotline.recovery.rebuild import repair_case, repair_others
from hotline.settings import Settings
from hotline.temporal.connection import connect
from hotline.temporal.converter import runner, with_all_decoded
from readmodel.assessments import months
from readmodel.base.database import engine
from readmodel.notifications import Delivery
from readmodel.reports import reports as stored_reports
from readmodel.writer import GroupWriter
from workflows import bulk, singletons
from workflows.assessment.workflow import AssessmentWorkflow
from workflows.clients.incidents import NoNumberError, start_incident, suspected_by
from workflows.clients.periods import open_assessment, report_workflow_id, start_report
from workflows.clients.start import Request
from workflows.clients.upkeep import SCHEDULE, ensure_schedule, log_failures, start_ended, take_back
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.interceptor import EntityInterceptor
from workflows.kit.words import CatalogueNames, WorkerNames

log = logging.getLogger("hotline.worker")

STICKY_TIMEOUT = timedelta(seconds=1.5)
"""Time that a task waits for the worker that has the case in memory; a dead worker's cases wait so long.

If it were much shorter, an overloaded worker would lose its cases and replay them from the start."""
GRACE = timedelta(seconds=5)
"""Time that activities may go on after the worker was asked to stop."""
WRITE_SECONDS = 5.0
"""Longest wait for SQL to take the batch of a case that an activity has updated."""
POLLS = 10
"""Requests for workflow tasks at the same time, half of them for cases that are not in memory. By the SDK's default one
of five is: at 20 calls at a time the first action on a new case then waited for seconds behind those on others."""
MAINTENANCE_SECONDS = 20.0
"""Pause before the worker checks again that nobody has ended a workflow that runs for ever."""
PROGRAM = "worker"
"""Name under which SQL has the keys of this process."""
WORKFLOWS = (
    AssessmentWorkflow,
    ComplaintWorkflow,
    singletons.CourierWorkflow,
    bulk.CatalogueRolloutWorkflow,
    bulk.HandoverWorkflow,
    IncidentWorkflow,
    singletons.InstallationWorkflow,
    singletons.PeriodEndWorkflow,
    singletons.ReconcilerWorkflow,
    singletons.ReportWorkflow,
    singletons.SurgeWatchWorkflow,
)


class Sql(NamedTuple):
    """Engines of the read model, to write and to read only, and the writer of batches."""

    database: Engine
    reader: Engine
    writer: GroupWriter


@asynccontextmanager
async def running(client: Client, settings: Settings) -> AsyncIterator[Engine]:
    """Run a worker, and yield its engine to write with. At the end it finishes its tasks and closes SQL."""
    database = engine(settings.database_url, unsafe_at_power_loss=settings.unsafe_at_power_loss)
    grouped = GroupWriter(database)
    sql = Sql(database, engine(settings.database_url, read_only=True), grouped)
    in_force = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    titles = IncidentTitles(sql.reader)
    throttle = BulkThrottle(ServingLock(settings.data_dir).is_held)

    def names() -> WorkerNames:
        catalogue = in_force.catalogue
        districts, findings = (
            {each.code: f"{each.name_zh} {each.name}" for each in coded}
            for coded in (catalogue.districts, catalogue.findings)
        )
        return WorkerNames(districts, titles.titles, findings)

    async with (
        grouped,
        courier(grouped, courier_config(settings, in_force), partial(report_undelivered, client)) as sender,
    ):
        worker = Worker(
            client,
            task_queue=settings.task_queue,
            workflows=[*WORKFLOWS, singletons.UnknownWorkflow],
            activities=[sender.deliver_notifications, *activities(client, settings, in_force, throttle, sql)],
            interceptors=[EntityInterceptor(names, throttle.note_action)],
            workflow_runner=runner(sandbox=settings.sandbox),
            max_cached_workflows=settings.max_cached_workflows,
            max_concurrent_workflow_task_polls=POLLS,
            nonsticky_to_sticky_poll_ratio=0.5,
            sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
            graceful_shutdown_timeout=GRACE,
            # Nothing is stored elsewhere; at more than one, the SDK makes a task for each payload, to find that out.
            max_workflow_task_external_storage_concurrency=1,
        )
        async with with_all_decoded(worker), titles.refreshing():
            yield database
    database.dispose()
    sql.reader.dispose()


def activities(
    client: Client, settings: Settings, in_force: CatalogueInForce, throttle: BulkThrottle, sql: Sql
) -> list[Callable[..., Any]]:
    database, reader, writer = sql
    projection = Projection(writer, client, WRITE_SECONDS)
    updates = CaseUpdates(projection, throttle, client)
    workflows = CaseWorkflows(client, throttle, settings.task_queue)
    others = partial(repair_others, client, database, settings.task_queue)
    repairs = Repairs(partial(repair_case, client, database), others)
    due = partial(begin_due, client, settings.task_queue, in_force, reader)
    parts = (
        projection,
        IncidentActivities(writer, reader, updates),
        IncidentMessages(client),
        BulkActivities(writer, reader, updates, CatalogueStore(settings.catalogues_dir).in_force),
        AssessmentActivities(writer, reader),
        ReportActivities(reader, database, lambda: in_force.catalogue, due),
        SurgeWatch(
            reader,
            lambda: in_force.catalogue.surge_rules(),  # noqa: PLW0108 - read anew every time
            partial(suspect, client, settings.task_queue, in_force),
            settings.watch_seconds,
        ),
        Reconciler(writer, projection, reader, workflows, repairs, settings.reconcile_seconds),
    )
    # The SDK's own mark; it has no public way to ask for it.
    mark = "__temporal_activity_definition"
    return [method for part in parts for _, method in getmembers(part) if hasattr(method, mark)]


async def begin_due(
    client: Client, task_queue: str, in_force: CatalogueInForce, reader: Engine, at: datetime
) -> AsyncIterator[str | None]:
    """Begin the reports and assessments of days and months that are over; see ReportActivities."""
    catalogue, edition = in_force.catalogue, in_force.edition
    zone = ZoneInfo(catalogue.calendar.timezone)
    for kind in ReportKind:
        first, known = await read(reader, partial(stored_reports.first_and_known, kind=kind))
        for period in due_periods(kind, first, known, at, zone):
            started = await start_report(client, task_queue, kind, period.name)
            yield report_workflow_id(kind, period.name) if started else None
    first, known = await read(reader, months.first_and_known)
    for period in due_periods(ReportKind.MONTHLY, first, known, at, zone):
        started = await open_assessment(client, task_queue, period.name, at, catalogue, edition)
        yield assessment_id(period.name) if started else None


def courier_config(settings: Settings, in_force: CatalogueInForce) -> CourierConfig:
    """Raise FileError if the channels or the templates cannot be used."""
    channels = load_channels(settings.channels).with_time_zone(in_force.catalogue.calendar.timezone)
    links = Links(ring_of(settings))

    def link(delivery: Delivery) -> str:
        # Dated by the notification, so that one that is sent again has the same text.
        token = links.make(delivery.number, delivery.cycle, delivery.notification.created_at)
        return f"{settings.public_url}/c/{token}"

    zone = channels.quiet_hours.time_zone
    templates = Templates(settings.templates, zone, link, lambda: in_force.catalogue)
    polling = Polling(settings.courier_poll_seconds, max_tries=settings.courier_max_tries)
    return CourierConfig(channels, templates, settings.notification_log, polling, lambda: in_force.catalogue.area_code)


async def suspect(
    client: Client, task_queue: str, in_force: CatalogueInForce, opening: Opening, ended_at: datetime | None
) -> None:
    """Start a suspected incident; see `activities.surge_watch.Suspect`."""
    service, district = opening.scope.services[0], opening.scope.districts[0]
    request = Request(key=suspected_by(service, district, ended_at))
    try:
        await start_incident(client, task_queue, opening, request, CatalogueNames.of(in_force.catalogue))
    except NoNumberError as error:  # anybody can work them out, and take them; other suspicions do not wait for it
        log.warning("no incident is suspected for %s in %s: %s", service, district, error)


async def serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connecting = asyncio.ensure_future(connect(settings, wait_seconds=math.inf))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not connecting.done():  # asked to end while Temporal is away
        connecting.cancel()
        return
    client = connecting.result()
    await require_own(client, settings, PROGRAM)
    # Tasks that it cannot open are left to others.
    (ring := ring_of(settings)).require_shared()
    async with running(client, settings) as database:
        maintenance: asyncio.Future[Any] = asyncio.gather(
            maintain_singletons(client, settings), renew_repeatedly(database, ring, PROGRAM)
        )
        log.info("worker is polling task queue %s", settings.task_queue)
        await asyncio.wait({stopping, maintenance}, return_when=asyncio.FIRST_COMPLETED)
        maintenance.cancel()
        with suppress(asyncio.CancelledError):
            await maintenance


async def maintain_singletons(client: Client, settings: Settings) -> None:
    """Start the workflows of which one runs for ever, and the Schedule, and again those that somebody has ended.

    Tasks that somebody has given to a version of other workers, or limited, come to this one again.
    Nothing is started before the stores are compared. Raises ForeignStoreError when one that did not answer before
    turns out to be of another installation, and KeysError if the keys are lost.
    """
    await until_compared(client, settings)
    in_force = CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue)
    level = logging.INFO  # a new installation has no Schedule
    while True:
        await start_ended(client, settings.task_queue)
        with log_failures("the Schedule"):
            if await ensure_schedule(client, settings.task_queue, in_force.catalogue.calendar.timezone):
                log.log(level, "the Schedule %s was not there, and is made", SCHEDULE)
            level = logging.WARNING
        with log_failures("the task queue"):
            await take_back(client, settings.task_queue)
        await asyncio.sleep(MAINTENANCE_SECONDS)


def main() -> None:
    process.run(serve)


if __name__ == "__main__":
    entry.run_main(main)
