"""Speed and memory of the service beside many open cases, whose clocks run.

Each case is registered and dispatched: bills in dispute, as cases are open in such numbers only if they take days. Of
as many leaks that nobody signs for, each would ring five times within twenty minutes. In rounds, at a small and at a
large number of open cases, leaks are registered and dispatched one after the other, as calls come in, and timed.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from bench.load import PATH, Hotline
from bench.measure import Round, closed_loop
from bench.server import Service, tell

CONCURRENT = 20
TIMED = 400
"""Cases of each round that are timed: p99 needs some hundred."""
AT_REST_SECONDS = 5.0
MIB = 2**20
DISPATCH = PATH[0]


@dataclass(frozen=True)
class Beside:
    """Latencies in milliseconds beside so many open cases, and the memory of each process in MiB."""

    open_cases: int
    register_p99: float
    action_p99: float
    memory: dict[str, float]


async def measure(service: Service, few: int, many: int) -> tuple[Beside, Beside]:
    """Open cases up to the two numbers, and measure at each. Raises UnexpectedAnswer."""
    async with Hotline(service.url, service.key, CONCURRENT) as hotline:
        begins = await _beside(service, hotline, 0, few)
        return begins, await _beside(service, hotline, few + TIMED, many)


async def _beside(service: Service, hotline: Hotline, opened: int, wanted: int) -> Beside:
    async def bill(sample: Round) -> None:
        number = await hotline.register(sample, service_code="billing")
        await hotline.act(number, "dispatch", {"department": "billing"}, sample)

    async def leak(sample: Round) -> None:
        await hotline.act(await hotline.register(sample), *DISPATCH, sample)

    if wanted > opened:
        opening = await closed_loop(bill, wanted - opened, CONCURRENT)
        tell(f"  {wanted:,} cases are open, {opening.rate:.1f} were opened a second")
    await asyncio.sleep(AT_REST_SECONDS)
    timed = await closed_loop(leak, TIMED, concurrent=1)
    register, action = (timed.milliseconds(operation, 0.99) for operation in ("register", "action"))
    return Beside(wanted, register, action, _memory(service.processes()))


def _memory(processes: Mapping[str, int]) -> dict[str, float]:
    return {name: psutil.Process(pid).memory_info().rss / MIB for name, pid in processes.items()}
