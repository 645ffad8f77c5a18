"""The floor: a bare workflow driven by the plain client, on the very server that the product is measured on.

A case is one operation for each of the product's path: seven updates, each of which runs one empty regular activity
and answers when it is done. The first comes in one call with the start, as registering does, so that the floor pays
for no call that the product does not pay for. No pydantic, HTTP, SQL or sandbox; the event loop is the product's.

    python -m bench.floor worker ADDRESS
    python -m bench.floor drive ADDRESS --cases 100 --concurrent 20 --warm 20
"""

import argparse
import asyncio
import json
import signal
import uuid
from collections.abc import Sequence
from dataclasses import asdict

import uvloop
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.floor_workflow import Floor, nothing
from bench.measure import Round, closed_loop

TASK_QUEUE = "bench-floor"
OPERATIONS = 7
"""Of the product's path: register, dispatch, sign_for, arrive, complete, reply, follow_up."""


async def serve(address: str) -> None:
    """Run the floor's worker until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    worker = Worker(
        await Client.connect(address),
        task_queue=TASK_QUEUE,
        workflows=[Floor],
        activities=[nothing],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        print("ready", flush=True)
        await stop.wait()


class Driver:
    """Plain client that plays whole cases against the floor's worker."""

    def __init__(self, client: Client, operations: int) -> None:
        self._client = client
        self._operations = operations

    async def case(self, sample: Round) -> None:
        """Play one case from its start to its last update, one operation after the other."""
        start = WithStartWorkflowOperation(
            Floor.run,
            self._operations,
            id=f"bench-floor-{uuid.uuid4()}",
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        with sample.timed("register"):
            await self._client.execute_update_with_start_workflow(Floor.act, start_workflow_operation=start)
        handle = await start.workflow_handle()
        for _ in range(self._operations - 1):
            with sample.timed("action"):
                await handle.execute_update(Floor.act)

    async def start_only(self, sample: Round) -> None:
        """Start a workflow, which is answered before any worker has seen it, and terminate it at once."""
        name = f"bench-start-{uuid.uuid4()}"
        with sample.timed("start"):
            handle = await self._client.start_workflow(Floor.run, 0, id=name, task_queue=TASK_QUEUE)
        await handle.result()


async def drive(address: str, *, cases: int, concurrent: int, warm: int, operations: int) -> Round:
    """Measure one round, after `warm` cases that are not counted. One at a time, bare starts are measured as well."""
    driver = Driver(await Client.connect(address), operations)
    if warm:
        await closed_loop(driver.case, warm, concurrent)
    result = await closed_loop(driver.case, cases, concurrent)
    if concurrent == 1:
        starts = await closed_loop(driver.start_only, cases, concurrent)
        result.latencies |= starts.latencies
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as the floor's worker, or as its client, which prints its round as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("role", choices=("worker", "drive"))
    parser.add_argument("address")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--concurrent", type=int, default=20)
    parser.add_argument("--warm", type=int, default=0)
    parser.add_argument("--operations", type=int, default=OPERATIONS)
    given = parser.parse_args(arguments)
    if given.role == "worker":
        uvloop.run(serve(given.address))
        return
    load = drive(
        given.address, cases=given.cases, concurrent=given.concurrent, warm=given.warm, operations=given.operations
    )
    print(json.dumps(asdict(uvloop.run(load))))


if __name__ == "__main__":
    main()
