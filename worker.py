"""Composition root of the worker: what runs the workflows and their activities."""

import asyncio
import logging
import math
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import uvloop
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import logs
from activities.projection import Projection
from readmodel.database import engine
from readmodel.writer import GroupWriter
from settings import Settings
from temporal_connection import connect
from workflows.complaint import ComplaintWorkflow

log = logging.getLogger("hotline.worker")

STICKY_TIMEOUT = timedelta(seconds=1)
"""How long a task waits for the worker that has the case in memory. A dead worker's cases wait this long."""
GRACE = timedelta(seconds=5)
"""How long activities may go on after the worker was asked to stop."""
WORKFLOWS = (ComplaintWorkflow,)
PASSED_THROUGH = ("activities", "domain", "pydantic", "readmodel", "workflows.presentation", "workflows.updates")


def runner(*, sandbox: bool) -> WorkflowRunner:
    """How workflow code is run: sandboxed (reloaded for every run, calls that break determinism refused) or bare."""
    if not sandbox:
        return UnsandboxedWorkflowRunner()
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))


@asynccontextmanager
async def running(client: Client, settings: Settings) -> AsyncIterator[Worker]:
    """A worker at work, until the context ends: then it finishes what it has begun and lets go of SQL."""
    database = engine(settings.database_url)
    async with GroupWriter(
        database,
        group_size=settings.projection_group_size,
        linger_seconds=settings.projection_linger_seconds,
    ) as writer:
        worker = Worker(
            client,
            task_queue=settings.task_queue,
            workflows=WORKFLOWS,
            activities=[Projection(writer).publish],
            workflow_runner=runner(sandbox=settings.sandbox),
            max_cached_workflows=settings.max_cached_workflows,
            sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
            graceful_shutdown_timeout=GRACE,
        )
        async with worker:
            yield worker
    database.dispose()


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await connect(wait_seconds=math.inf)
    async with running(client, settings):
        log.info("worker is polling task queue %s", settings.task_queue)
        await stop.wait()


def main() -> None:
    """Start the worker with the settings of the environment."""
    settings = Settings()
    logs.configure(settings)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
