"""Speed and memory of the service beside many open cases, whose clocks run.

Each case is registered and dispatched: bills in dispute, as cases are open in such numbers only if they take days. Of
as many leaks that nobody signs for, each would ring five times within twenty minutes. In rounds, at a small and at a
large number of open cases, leaks are registered and dispatched one after the other, as calls come in, and timed. Then
they are signed for: otherwise those of the first round ring their last time 20 min later, at once, in the second round.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.load import PATH, Hotline, UnexpectedAnswer
from bench.measure import Round, closed_loop
from bench.server import Service, tell

CONCURRENT = 20
TIMED = 400
"""Cases of each round that are timed: p99 needs some hundred."""
AT_REST_SECONDS = 5.0
TRIES, RETRY_SECONDS = 20, 2.0
DISPATCH, SIGN_FOR = PATH[:2]


@dataclass(frozen=True)
class Beside:
    """Latencies in milliseconds beside so many open cases, and the memory of each process in MiB."""

    open_cases: int
    register_p99: float
    action_p99: float
    memory: dict[str, float]


class Opener(Hotline):
    """A client that sends again what got no answer, with the same key. More cases are opened than ever come in."""

    repeated = 0

    async def post(self, path: str, body: Mapping[str, Any], key: str, sample: Round) -> bytes:
        """Send a body until there is an answer. Raises UnexpectedAnswer if there is none in the end."""
        for _ in range(TRIES):
            try:
                return await super().post(path, body, key, sample)
            except UnexpectedAnswer as error:
                if error.status != UnexpectedAnswer.UNAVAILABLE:
                    raise
            self.repeated += 1
            await asyncio.sleep(RETRY_SECONDS)
        return await super().post(path, body, key, sample)


async def measure(service: Service, few: int, many: int) -> tuple[Beside, Beside]:
    """Open cases up to the two numbers, and measure at each. Raises UnexpectedAnswer."""
    async with Hotline(service.url, service.key) as hotline, Opener(service.url, service.key) as opener:
        begins = await _beside(service, hotline, opener, few)
        return begins, await _beside(service, hotline, opener, many, opened=few + TIMED)


async def _beside(service: Service, hotline: Hotline, opener: Opener, wanted: int, opened: int = 0) -> Beside:
    async def bill(sample: Round) -> None:
        number = await opener.register(sample, service_code="billing")
        await opener.act(number, "dispatch", {"department": "billing"}, sample)

    leaks = list[str]()

    async def leak(sample: Round) -> None:
        leaks.append(await hotline.register(sample))
        await hotline.act(leaks[-1], *DISPATCH, sample)

    async def sign_for(sample: Round) -> None:
        await hotline.act(leaks.pop(), *SIGN_FOR, sample)

    if wanted > opened:
        opening = await closed_loop(bill, wanted - opened, CONCURRENT)
        tell(f"  {wanted:,} cases open, {opening.rate:.1f} opened a second; {opener.repeated} answers of 503")
    await asyncio.sleep(AT_REST_SECONDS)
    timed = await closed_loop(leak, TIMED, concurrent=1)
    register, action = (timed.milliseconds(operation, 0.99) for operation in ("register", "action"))
    await closed_loop(sign_for, TIMED, concurrent=1)
    return Beside(wanted, register, action, service.memory())
