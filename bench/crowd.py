"""One case on which many people act: all at once, and again and again for as long as no case ever lives.

Each comment has a key of its own, which the workflow remembers for two days. What is sent at once goes to two API
processes in turn, which queue it.
"""

import asyncio
from dataclasses import dataclass

from bench.load import PATH
from bench.measure import Round, closed_loop
from bench.server import Service
from bench.surge import Desk

AT_ONCE = 40
CONCURRENT = 8
LAST = 1000
"""Comments whose latencies stand for the end."""


@dataclass(frozen=True)
class Crowd:
    """Result of the benchmark: longest answer of those at once, in seconds, and the case after all comments.

    `last_p99` is in milliseconds, `memory` in MiB.
    """

    comments: int
    at_once: float
    version: int
    seconds: float
    last_p99: float
    memory: dict[str, float]


async def measure(service: Service, comments: int) -> Crowd:
    """Act on one case. Raises UnexpectedAnswer: an action is not done; ServiceError: the second API is not ready."""
    further = await service.start_further_api()
    async with Desk(service.url, service.key, AT_ONCE) as desk, Desk(further, service.key, AT_ONCE) as other:
        number = await desk.register(Round())

        async def comment(sample: Round, by: Desk = desk) -> None:
            await by.act(number, "comment", {"note": "The caller asks when the water will be back. 用户催问。"}, sample)

        first = Round()
        await asyncio.gather(*(comment(first, (desk, other)[place % 2]) for place in range(AT_ONCE)))
        many = await closed_loop(comment, comments - LAST, CONCURRENT)
        last = await closed_loop(comment, LAST, CONCURRENT)
        await desk.act(number, *PATH[0], Round())
        version = (await desk.get(f"/v1/complaints/{number}"))["version"]
    longest = max(first.latencies["action"])
    p99 = last.milliseconds("action", 0.99)
    return Crowd(comments, longest, version, many.seconds + last.seconds, p99, service.memory())
