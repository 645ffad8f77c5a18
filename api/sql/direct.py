"""Direct writes of the API to SQL: of what is no part of a case, and no workflow keeps."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.sql.reader import ANSWER_SECONDS, away
from readmodel.base.database import WriteConnection, write_in_thread

T = TypeVar("T")
TURN_SECONDS = 30.0
"""Longest wait for the turn and the answer together: a few large imports at once are all taken."""
log = logging.getLogger("hotline.api")


@dataclass(frozen=True, slots=True)
class DirectWriter:
    """Writer of transactions that change nothing if they are sent again.

    They may take seconds, and run beside those of `GroupWriter`: no batch of a case waits for an import of calls.
    They wait for each other, however many there are: SQL would give up those that wait for its lock.

    Args:
        engine: engine to write with; `close` disposes of it. It connects with the first request.
    """

    engine: Engine
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    async def write(self, work: Callable[[WriteConnection], T]) -> T:
        """Return the result of a transaction. Raises ProblemError 503 if SQL is down."""
        try:
            async with asyncio.timeout(TURN_SECONDS), self._turn, asyncio.timeout(ANSWER_SECONDS):
                return await write_in_thread(self.engine, work)
        except (TimeoutError, SQLAlchemyError) as error:
            log.warning("SQL does not answer: %s", type(error).__name__)
            raise away(
                "SQL does not answer. Send the same again: it may have been written already, which does no harm."
            ) from None
