"""Time of the sandbox to begin one workflow run, for a worker with the sandbox: every new case, and every cold one.

Measured as the SDK does it when a run begins: the runner that the worker uses loads the workflow's modules anew and
makes the instance. The first of a process, which also fills Python's own caches, is shown apart.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from temporalio.worker import WorkflowRunner
from temporalio.workflow import _Definition

from bench.measure import MILLISECONDS, quantile
from hotline.temporal.converter import runner
from workflows.complaint.workflow import ComplaintWorkflow


@dataclass(frozen=True)
class Starts:
    """Milliseconds of a start: the first one, then the median and the 99 % quantile of the others."""

    first: float
    p50: float
    p99: float


async def measure(times: int = 200) -> Starts:
    """Begin that many runs of ComplaintWorkflow in the sandbox as the worker configures it."""
    return _starts(runner(sandbox=True), times)


def _starts(runner: WorkflowRunner, times: int) -> Starts:
    # The SDK prepares a workflow by making an instance of it with made-up information, and by nothing else.
    definition = _Definition.must_from_class(ComplaintWorkflow)
    taken = [_seconds(runner, definition) for _ in range(times + 1)]
    return Starts(*(MILLISECONDS * value for value in (taken[0], *_quantiles(taken[1:]))))


def _quantiles(values: Sequence[float]) -> tuple[float, float]:
    return quantile(values, 0.5), quantile(values, 0.99)


def _seconds(runner: WorkflowRunner, definition: _Definition) -> float:
    began = time.perf_counter()
    runner.prepare_workflow(definition)
    return time.perf_counter() - began


if __name__ == "__main__":
    # In a process of its own and within a loop, as in the worker.
    print(json.dumps(asdict(asyncio.run(measure()))))
