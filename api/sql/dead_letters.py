"""Resending of dead letters: the one direct SQL write of the API, because it does not change the case."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.problems import ProblemError, declare
from api.sql.reader import ANSWER_SECONDS, away
from readmodel.database import writing
from readmodel.dead_letters import Resent, resend

NOTIFICATION_NOT_FOUND = declare("letter-not-found", HTTPStatus.NOT_FOUND, "Notification not found")
NOT_A_DEAD_LETTER = declare("letter-not-dead", HTTPStatus.CONFLICT, "Notification not a dead letter")
log = logging.getLogger("hotline.api")


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Writer that makes dead letters due again.

    Args:
        engine: engine to write with; `close` disposes of it. It connects with the first request.
        clock: returns the present instant.
    """

    engine: Engine
    clock: Callable[[], datetime]

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    async def resend(self, key: str) -> None:
        """Make a dead letter due. Raises ProblemError 404, 409, or 503 if SQL is down."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                done = await asyncio.to_thread(self._resend, key)
        except (TimeoutError, SQLAlchemyError) as error:
            log.warning("SQL does not answer: %s", type(error).__name__)
            raise away("SQL does not answer. Send the same again: nothing is made due twice.") from None
        if done.unknown:
            raise ProblemError(NOTIFICATION_NOT_FOUND, "No notification has this key; GET /v1/letters lists all.")
        if done.not_dead:
            detail = "The notification was sent or is being sent. Only a dead letter can be sent again."
            raise ProblemError(NOT_A_DEAD_LETTER, detail, accepted=["a key that GET /v1/letters lists"])

    def _resend(self, key: str) -> Resent:
        with writing(self.engine) as connection:
            return resend(connection, [key], self.clock())
