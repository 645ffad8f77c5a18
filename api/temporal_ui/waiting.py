"""Places of people at the UI's server: what they ask ends when they have left, and nobody takes all of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from starlette.requests import ClientDisconnect, Request

from api.edge.browsers import READING
from api.edge.limits import TOO_MANY_REQUESTS, Turns
from api.edge.problems import ProblemError
from api.temporal_ui.rules import Kind, Match

WAITING, WAITING_IN_ALL = 10, 80
"""Histories of which one person, and all of this process, wait for news at the same time: a page of a case for each."""


class Places:
    """Bounds of what each person asks of the UI's server.

    A person's texts are drawn one after the other, in the `turns` of this process, and so many histories wait for news.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._waiting = Counter[str]()

    @asynccontextmanager
    async def asked(self, request: Request, person: str, match: Match, query: bytes) -> AsyncIterator[None]:
        """Ask the UI's server in this context.

        Raises:
            ClientDisconnect: the client has hung up.
            ProblemError: the person waits for news of too many histories, or for earlier texts for too long.
        """
        async with AsyncExitStack() as taken:
            if request.method in READING:
                await taken.enter_async_context(_while_connected(request))
            if match.kind is Kind.RENDER:
                await taken.enter_async_context(self._turns.of("render", person))
            if b"waitNewEvent=" in query:
                taken.enter_context(self._place(person))
            yield

    @contextmanager
    def _place(self, person: str) -> Iterator[None]:
        if self._waiting[person] >= WAITING or self._waiting.total() >= WAITING_IN_ALL:
            most = f"{WAITING} histories of one person and {WAITING_IN_ALL} in all wait for news at the same time"
            detail = f"At most {most}: close pages of cases, or reload them by hand. 请关闭部分工单页面。"
            raise ProblemError(TOO_MANY_REQUESTS, detail, headers={"Retry-After": "60"})
        self._waiting[person] += 1
        try:
            yield
        finally:
            self._waiting[person] -= 1


@asynccontextmanager
async def _while_connected(request: Request) -> AsyncIterator[None]:
    """Cancel what this context does when the client hangs up, and raise ClientDisconnect."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        connected.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as connected:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        raise ClientDisconnect from None
