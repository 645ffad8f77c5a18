"""Wait of a case after its worker was killed: `kill -9` of the only worker, its restart, the next action.

Two kinds of case: one at rest in the killed worker's memory, and the unlucky ones that were in the middle of an action.
Counted from the restart, which is the moment when the supervisor has started the new process; what is said of the kill
includes the supervisor's own pause.
"""

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.load import PATH, Hotline, UnexpectedAnswer
from bench.measure import Round
from bench.server import Service, ServiceError

WORKER = "worker"
RESTARTED_WITHIN_SECONDS = 30.0
ANSWERED_WITHIN_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.005
TRY_AGAIN_SECONDS = 0.1
BUSY_CASES = 20
KILL_AFTER_SECONDS = 1.0
"""Of load, so that the kill falls into the middle of it."""


@dataclass(frozen=True)
class Recovery:
    """Seconds until the next action was answered: of a case at rest, and the longest of many busy ones."""

    idle: float
    idle_from_kill: float
    busy: float
    restart: float


class Patient(Hotline):
    """Client that repeats a request that failed without a worker, with the same key, as the software of staff would."""

    async def act(self, number: str, action: str, body: Mapping[str, Any], sample: Round) -> None:
        """Do one action and repeat it until it is accepted."""
        give_up_at = time.monotonic() + ANSWERED_WITHIN_SECONDS
        key = f"{number}-{action}"
        while True:
            try:
                await self.post(f"/{number}/actions/{action}", body, key, sample)
            except UnexpectedAnswer as answer:
                if answer.status != UnexpectedAnswer.UNAVAILABLE or time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            else:
                return


async def measure(service: Service) -> Recovery:
    """Kill the worker twice: with a case at rest, and under load."""
    async with Patient(service.url, service.key) as hotline:
        idle, restart, from_kill = await _idle(service, hotline)
        busy = await _busy(service, hotline)
    return Recovery(idle=idle, idle_from_kill=from_kill, busy=busy, restart=restart)


async def _idle(service: Service, hotline: Hotline) -> tuple[float, float, float]:
    sample = Round()
    number = await hotline.register(sample)
    (first, first_body), (second, second_body) = PATH[:2]
    await hotline.act(number, first, first_body, sample)
    killed_at, restarted_at = await _kill(service)
    await hotline.act(number, second, second_body, sample)
    now = time.monotonic()
    return now - restarted_at, restarted_at - killed_at, now - killed_at


async def _busy(service: Service, hotline: Hotline) -> float:
    """Return the longest wait of the busy cases, in seconds, from the restart or a later answer to the case."""
    answers: list[list[float]] = [[] for _ in range(BUSY_CASES)]
    stop = asyncio.Event()

    async def play(mine: list[float]) -> None:
        while not stop.is_set():
            sample = Round()
            number = await hotline.register(sample)
            for action, body in PATH:
                await hotline.act(number, action, body, sample)
                mine.append(time.monotonic())

    async with asyncio.TaskGroup() as group:
        numbers = [group.create_task(play(mine)) for mine in answers]
        await asyncio.sleep(KILL_AFTER_SECONDS)
        _, restarted_at = await _kill(service)
        await asyncio.wait(numbers, timeout=KILL_AFTER_SECONDS)
        stop.set()
    return max(_longest_wait(mine, restarted_at) for mine in answers)


def _longest_wait(answers: Sequence[float], restarted_at: float) -> float:
    after = [at for at in answers if at > restarted_at]
    return max((later - earlier for earlier, later in pairwise([restarted_at, *after])), default=0.0)


async def _kill(service: Service) -> tuple[float, float]:
    """Kill the worker; return the time of that, and of the start of its successor.

    Raises:
        ServiceError: there was none within `RESTARTED_WITHIN_SECONDS`.
    """
    killed = service.processes()[WORKER]
    os.kill(killed, signal.SIGKILL)
    at = time.monotonic()
    while service.processes().get(WORKER, killed) == killed:
        if time.monotonic() > at + RESTARTED_WITHIN_SECONDS:
            raise ServiceError("the supervisor has not started the worker again")
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return at, time.monotonic()
