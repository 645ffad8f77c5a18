"""Person who acts in the Temporal UI or CLI: role and department are those of the directory, whatever was sent."""

import asyncio

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.shared.actors import Actor
from readmodel.database import reading
from readmodel.people import Member, PeopleError, find

FIND_ACTOR = "find_actor"
NOBODY = "Nobody"
"""Type of the failure for an id that nobody in the directory has."""


class Acting:
    """Lookup of people by the id that a command names."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @activity.defn(name=FIND_ACTOR)
    async def find_actor(self, person_id: str) -> Actor:
        """Return the person as actor. Raises ApplicationError if nobody has this id, or has left."""
        try:
            found = await asyncio.to_thread(self._find, person_id)
        except PeopleError as error:
            raise ApplicationError(f"Not accepted: {error}.", type=NOBODY, non_retryable=True) from error
        if found is None or found.left_at is not None:
            message = f"Nobody in the directory has the id {person_id!r}; accepted: a person who has not left."
            raise ApplicationError(message, type=NOBODY, non_retryable=True)
        return found.actor

    def _find(self, person_id: str) -> Member | None:
        with reading(self._engine) as connection:
            return find(connection, person_id)
