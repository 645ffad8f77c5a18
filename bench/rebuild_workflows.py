"""Loss of Temporal's database with many open cases: the time until `hotline rebuild workflows` has brought all back.

Then `hotline verify` compares the same cases in both stores.
"""

import os
import signal
import time
from dataclasses import dataclass

from bench.load import Hotline
from bench.measure import Round, closed_loop
from bench.server import Service

CONCURRENT = 20


@dataclass(frozen=True)
class Rebuilt:
    """Seconds of the two commands, each from its start to its end."""

    cases: int
    rebuilt: float
    verified: float


async def measure(service: Service, cases: int) -> Rebuilt:
    """Open so many cases, lose all workflows, and run the two commands. Raises ServiceError if one of them fails."""
    async with Hotline(service.url, service.key, CONCURRENT) as hotline:

        async def open_case(sample: Round) -> None:
            number = await hotline.register(sample, service_code="billing")
            await hotline.act(number, "dispatch", {"department": "billing"}, sample)

        await closed_loop(open_case, cases, CONCURRENT)
    await _lose_temporal(service)
    rebuilt = await _seconds(service, "rebuild", "workflows")
    return Rebuilt(cases, rebuilt, await _seconds(service, "verify"))


async def _lose_temporal(service: Service) -> None:
    """Delete Temporal's database and kill the server; the supervisor starts it again with an empty one."""
    for file in service.data_dir.glob("temporal.db*"):
        file.unlink()
    os.kill(service.processes()["temporal"], signal.SIGKILL)
    await service.hotline("temporal-setup", "--wait", "60")


async def _seconds(service: Service, *command: str) -> float:
    began = time.perf_counter()
    await service.hotline(*command)
    return time.perf_counter() - began
