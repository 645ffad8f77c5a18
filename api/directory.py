"""People and their keys, as one process of the API knows them: read from SQL again and again, kept while it is down.

A key that is not known yet is looked for in SQL at once; a change counts in this process after `seconds` at the latest.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.edge.problems import ProblemError
from api.sql.reader import Reader, away
from domain.shared.actors import SYSTEM, Actor
from readmodel.base.database import write_in_thread
from readmodel.people.people import (
    TOKEN,
    TOKEN_SHAPE,
    ApiKey,
    Directory,
    Member,
    directory,
    folded,
    has_people,
    note_used,
)

log = logging.getLogger("hotline.api")

NOTED_SECONDS = 60.0
"""Time between two notes of when keys were used last."""


class MalformedKeyError(ValueError):
    """Error of a text that does not have the form of a key."""


class People:
    """Directory of people and keys.

    Args:
        reader: reads SQL.
        engine: engine to note the use of keys with.
        seconds: time after which a change counts, while SQL answers.
        clock: returns the present instant.
        kept: returns the copy of an earlier process, for a start while SQL is down; None if there is none.
        keep: keeps a copy, in a private file.
    """

    def __init__(
        self,
        reader: Reader,
        engine: Engine,
        seconds: float,
        clock: Callable[[], datetime],
        kept: Callable[[], bytes | None],
        keep: Callable[[str], None],
    ) -> None:
        self._reader = reader
        self._engine = engine
        self._seconds = seconds
        self._clock = clock
        self._kept = kept
        self._keep = keep
        self._directory: Directory | None = None
        self._unkept = False
        self._keys: dict[str, tuple[ApiKey, Actor]] = {}
        self._people: dict[str, Member] = {}
        self._read_at = self._noted_at = float("-inf")
        self._reading: asyncio.Task[bool] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._used: dict[str, datetime] = {}

    async def begin(self) -> None:
        """Read the directory, from the copy if SQL does not answer, and go on reading it."""
        await asyncio.shield(self._read())
        if self._directory is None:
            try:
                self._take(Directory.model_validate_json(self._kept() or b"{}"))
            except (OSError, ValidationError) as error:
                log.error("the copy of people and keys cannot be read: %s", type(error).__name__)  # noqa: TRY400 - one line will do
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Note the last uses, and stop reading."""
        if self._watching:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        if self._noting:
            await asyncio.wait({self._noting})
        await self._note_used()

    async def verify(self, token: str, before_read: Callable[[], None]) -> tuple[Actor, ApiKey] | None:
        """Return who acts with this key, and the key; None if unknown, wrong, expired or revoked.

        `before_read` is called before SQL is asked for a key that is not known, and may raise.

        Raises:
            MalformedKeyError: the text does not have the form of a key.
            ProblemError: the key is not known, and SQL does not answer.
        """
        if (match := TOKEN.fullmatch(token)) is None:
            raise MalformedKeyError(f"An API key is {TOKEN_SHAPE}; this has {len(token)} characters of another shape")
        key_id, secret = match.groups()
        if key_id not in self._keys:
            before_read()
            await self.read_anew()
        key, actor = self._keys.get(key_id, _NOBODYS)
        now = self._clock()
        if not key.opens_with(secret) or not key.is_live(now):
            return None
        self._used[key.id] = now
        return actor, key

    @property
    def directory(self) -> Directory:
        """Directory as it was read last; empty if it never was."""
        return self._directory or Directory()

    def get(self, person_id: str) -> Member | None:
        """Return the person with this id, whatever its case and width, also one who has left; None if there is none."""
        return self._people.get(folded(person_id))

    def present(self) -> tuple[Member, ...]:
        return tuple(person for person in self._people.values() if person.left_at is None)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await asyncio.shield(self._read())
            except Exception:
                # Revoked keys must not go on because of one bad read.
                log.exception("people and keys could not be read; they are as they were")
            if time.monotonic() - self._noted_at >= NOTED_SECONDS and (self._noting is None or self._noting.done()):
                # By itself: a lock of SQL must not hold up the next read.
                self._noting = asyncio.create_task(self._note_used())

    async def read_anew(self) -> None:
        """Read the directory as it is from now on. Raises ProblemError if SQL does not answer."""
        asked_at = time.monotonic()
        while self._read_at < asked_at:
            if not await asyncio.shield(self._read()):
                raise away("SQL does not answer, and this API key is not known without it.")

    def _read(self) -> asyncio.Task[bool]:
        """Return the read that is under way, or else begin one."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_once())
        return self._reading

    async def _read_once(self) -> bool:
        """Return True if SQL has answered."""
        began_at = time.monotonic()
        try:
            found = await self._reader.ask(directory)
        except ProblemError:
            return False
        self._read_at = began_at
        # Without anybody, as in a database that was lost, what is known is worth more, and so is its copy.
        is_lost = not found.people and not await self._reader.ask(has_people)
        if found != self._directory and not is_lost:
            self._take(found)
            self._unkept = bool(found.people)
        if self._unkept and self._directory:
            try:
                await asyncio.to_thread(self._keep, self._directory.model_dump_json(indent=1) + "\n")
                self._unkept = False
            except OSError as error:
                log.error("the copy of people and keys cannot be written: %s", error.strerror)  # noqa: TRY400 - one line will do
        return True

    def _take(self, found: Directory) -> None:
        self._directory = found
        actors = {person.id: person.actor for person in found.people}
        # Who leaves has no live key; who cannot be read has none either.
        self._keys = {key.id: (key, actors[key.person]) for key in found.keys if key.person in actors}
        self._people = {folded(person.id): person for person in found.people}

    async def _note_used(self) -> None:
        """Note when keys were used last; if SQL does not answer, the next time."""
        used, self._noted_at = self._used, time.monotonic()
        if not used:
            return
        self._used = {}
        try:
            await write_in_thread(self._engine, partial(note_used, used=used))
        except SQLAlchemyError as error:
            log.warning("SQL does not take when keys were used last: %s", type(error).__name__)
            self._used = used | self._used


_NOBODYS = ApiKey(id="", person="", secret_sha256="0" * 64, created_at=datetime(2000, 1, 1, tzinfo=UTC)), SYSTEM
"""Key that opens nothing."""
