"""Measurements for all benchmarks: samples of latency, quantiles, closed-loop load, processor time of processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

MILLISECONDS = 1000.0


@dataclass
class Round:
    """One round of load: how many cases ran through, in how many seconds, and each operation's latencies in seconds.

    `waiting` counts the answers that said the read model had not caught up (202); `processor_seconds` is what the load
    itself cost in its own process.
    """

    cases: int = 0
    seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)
    waiting: int = 0
    processor_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Return complete cases per second."""
        return self.cases / self.seconds

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        """Record the time of the block. A block that raises is not recorded: an error ends the benchmark."""
        began = time.perf_counter()
        yield
        self.latencies.setdefault(operation, []).append(time.perf_counter() - began)

    def milliseconds(self, operation: str, share: float) -> float:
        """Return the latency, in milliseconds, that this share of the operation's samples does not exceed."""
        return quantile(self.latencies[operation], share) * MILLISECONDS


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a quantile needs at least one value")
    rank = -(-len(values) * share // 1)
    return sorted(values)[max(0, int(rank) - 1)]


def merged(rounds: Sequence[Round]) -> Round:
    """Return all samples of several rounds as one round; its rate is the mean over their whole time."""
    total = Round()
    for one in rounds:
        total.cases += one.cases
        total.seconds += one.seconds
        total.waiting += one.waiting
        total.processor_seconds += one.processor_seconds
        for operation, latencies in one.latencies.items():
            total.latencies.setdefault(operation, []).extend(latencies)
    return total


async def closed_loop(case: Callable[[Round], Awaitable[None]], cases: int, concurrent: int) -> Round:
    """Run `cases` cases, `concurrent` at a time: a new one begins when one ends."""
    result = Round(cases=cases)
    left = iter(range(cases))

    async def one_after_another() -> None:
        for _ in left:
            await case(result)

    began, used = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrent):
            group.create_task(one_after_another())
    result.seconds = time.perf_counter() - began
    result.processor_seconds = time.process_time() - used
    return result


def processor_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """Return the processor time so far of each process (name to id) with its children, in seconds."""
    return {name: _with_children(psutil.Process(pid)) for name, pid in processes.items()}


def _with_children(process: psutil.Process) -> float:
    """Return seconds of user and system mode; children that ended are counted in their parent's times."""
    living = 0.0
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            living += sum(child.cpu_times()[:4])
    return float(sum(process.cpu_times()[:4])) + living


def busy_seconds() -> float:
    """Return the processor time of all programs of this machine so far, in seconds, over all processors."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))
