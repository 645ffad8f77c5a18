"""People and their keys, as one process of the API knows them, and those whom requests name, by id or by shown name.

The directory is read from SQL again and again, and kept while SQL is down. A key that is not known yet is looked for in
SQL at once; a change counts in this process after `seconds` at the latest.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, TypeVar, assert_never

from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api.edge.problems import ProblemError, declare
from api.sql import Reader, sql_unavailable
from domain.shared.actors import SYSTEM, Actor, shown_name
from domain.shared.value import Phrase
from readmodel.base.database import write_in_thread
from readmodel.people import people as stored
from readmodel.people.people import ApiKey, Directory, Member, NamingFault, PeopleError, folded

log = logging.getLogger("hotline.api")

ACTOR = "hotline.actor"
"""Entry of a request's scope with the person who acts. The application alone makes scopes: no client can set it."""
NOTED_SECONDS = 60.0
"""Time between two notes of when keys were used last."""


@dataclass(eq=False)
class People:
    """Directory of people and keys.

    Attributes:
        engine: engine to note the use of keys with.
        seconds: time after which a change counts, while SQL answers.
        copy: private file with the copy of an earlier process, for a start while SQL is down; there may be none.
        write: replaces a private file by one with a text.
    """

    reader: Reader
    engine: Engine
    seconds: float
    clock: Callable[[], datetime]
    copy: Path
    write: Callable[[Path, str], None]
    _directory: Directory | None = None
    _copy_is_old: bool = False
    _keys: dict[str, tuple[ApiKey, Actor]] = field(default_factory=dict)
    _people: dict[str, Member] = field(default_factory=dict)
    _read_at: float = -math.inf
    _noted_at: float = -math.inf
    _reading: asyncio.Task[bool] | None = None
    _watching: asyncio.Task[None] | None = None
    _noting: asyncio.Task[None] | None = None
    _used: dict[str, datetime] = field(default_factory=dict)

    async def begin(self) -> None:
        """Read the directory, from the copy if SQL does not answer, and go on reading it."""
        await asyncio.shield(self._read())
        if self._directory is None:
            try:
                self._take(Directory.model_validate_json(self.copy.read_bytes() if self.copy.exists() else b"{}"))
            except (OSError, ValidationError, PeopleError) as error:
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

    async def verify(self, key_id: str, secret: str, before_read: Callable[[], None]) -> tuple[Actor, ApiKey] | None:
        """None if the key is unknown, wrong, expired or revoked; else who acts with it, and the key.

        `before_read` is called before SQL is asked for a key that is not known, and may raise. Raises ProblemError if
        SQL does not answer then.
        """
        if key_id not in self._keys:
            before_read()
            await self.read_anew()
        key, actor = self._keys.get(key_id, _NOBODYS)
        now = self.clock()
        if not key.opens_with(secret) or not key.is_live(now):
            return None
        self._used[key.id] = now
        return actor, key

    @property
    def directory(self) -> Directory:
        """Directory as it was read last; empty if it never was."""
        return self._directory or Directory()

    def get(self, person_id: str) -> Member | None:
        """Find by id, whatever its case and width, also one who has left."""
        return self._people.get(folded(person_id))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.seconds)
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
                raise sql_unavailable("SQL does not answer, and this API key is not known without it.")

    def _read(self) -> asyncio.Task[bool]:
        """Join the read that is under way, or else begin one."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_once())
        return self._reading

    async def _read_once(self) -> bool:
        """Return True if SQL has answered."""
        began_at = time.monotonic()
        try:
            found = await self.reader.ask(stored.directory)
        except ProblemError:
            return False
        self._read_at = began_at
        # Without anybody, as in a database that was lost, what is known is worth more, and so is its copy.
        is_lost = not found.people and not await self.reader.ask(stored.has_people)
        if found != self._directory and not is_lost:
            self._take(found)
            self._copy_is_old = bool(found.people)
        if self._copy_is_old and self._directory:
            try:
                await asyncio.to_thread(self.write, self.copy, self._directory.model_dump_json(indent=1) + "\n")
                self._copy_is_old = False
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
            await write_in_thread(self.engine, partial(stored.note_used, used=used))
        except SQLAlchemyError as error:
            log.warning("SQL does not take when keys were used last: %s", type(error).__name__)
            self._used = used | self._used


_NOBODYS = ApiKey(id="", person="", secret_sha256="0" * 64, created_at=datetime(2000, 1, 1, tzinfo=UTC)), SYSTEM
"""Key that opens nothing."""

BodyT = TypeVar("BodyT", bound=BaseModel)
UNKNOWN_PEOPLE = {
    role: declare(f"unknown-{role}", HTTPStatus.UNPROCESSABLE_ENTITY, f"Unknown {role}")
    for role in ("owner", "assignee", "agent")
}
"""Fields of a body that name a person, and the problem of one who is not known."""
ACCEPTED: tuple[Phrase, ...] = (
    ("在岗人员的工号", "the id of a person at work"),
    ("不重名的姓名", "a name that only one person has"),
)


class FoundPerson(NamedTuple):
    """Person whom a request names: the id, the shown name and the department; for free text, the text and nothing."""

    id: str
    name: str = ""
    department: str | None = None

    @property
    def people(self) -> dict[str, str]:
        """The name by the id, where they differ."""
        return {self.id: self.name} if self.name else {}


@dataclass(frozen=True)
class PersonFinder:
    """Finds the people whom requests name.

    Attributes:
        takes_unknown: at a registration, of assignees and of agents on calls, a name that nobody in the directory has
            is taken as it is.
    """

    people: People
    takes_unknown: bool

    def owner(self, text: str, *, at_registration: bool = False) -> FoundPerson:
        """Accept only a person of no crew. Raises ProblemError 422."""
        return self._find("owner", text, takes_unknown=at_registration and self.takes_unknown)

    def former_owner(self, text: str) -> FoundPerson:
        """Person who owns cases, also one who has left; the text itself if it names nobody."""
        person = self.people.get(text)
        return _named(person) if person else self.known(text)

    def agent(self, text: str) -> FoundPerson:
        """Person who answered a call, by the id also one who has left. Raises ProblemError 422."""
        if person := self.people.get(text):
            return _named(person)
        return self._find("agent", text, takes_unknown=self.takes_unknown)

    def known(self, text: str) -> FoundPerson:
        """Take the text itself, unless exactly one person has this id or name."""
        found = self.people.directory.named(text)
        return _named(found[0]) if len(found) == 1 else FoundPerson(text)

    def resolved(self, body: BodyT, actor: Actor) -> tuple[BodyT, dict[str, str]]:
        """Put ids in place of names; also return the names by id. Raises ProblemError 422."""
        people: dict[str, str] = {}
        if text := getattr(body, "previous_owner", None):
            body = body.model_copy(update={"previous_owner": self.former_owner(text).id})
        for role in UNKNOWN_PEOPLE.keys() & body.model_fields_set:
            if text := getattr(body, role):
                # An actor who names no department acts for their own.
                department = getattr(body, "department", None) or actor.department
                named = self._find(role, text, department, takes_unknown=self.takes_unknown and role != "owner")
                body, people = body.model_copy(update={role: named.id}), people | named.people
                # If nobody tells the department, it is that of the assignee: the case knows if it has work there.
                if getattr(body, "department", "") is None and actor.department is None and named.department:
                    body = body.model_copy(update={"department": named.department})
        return body, people

    def _find(self, role: str, text: str, department: str | None = None, *, takes_unknown: bool) -> FoundPerson:
        """Person in this role, or the text if `takes_unknown` and it is nobody's. Raises ProblemError 422."""
        directory = self.people.directory
        try:
            if role == "owner":
                return _named(directory.owner(text))
            return _named(directory.assignee(text, department) if role == "assignee" else directory.one(text))
        except NamingFault as fault:
            if fault.kind == "nobody" and takes_unknown and not directory.has_had(text):
                return FoundPerson(text)
            raise _problem(role, text, fault, department) from None


def _problem(role: str, text: str, fault: NamingFault, department: str | None) -> ProblemError:
    accepted = ACCEPTED
    match fault.kind:
        case "nobody":
            detail = f"{text!r} is nobody in the directory."
        case "several":
            ids = ", ".join(person.id for person in fault.people)
            detail = f"{text!r} is several people: {ids}."
        case "crew":
            detail = f"{fault.people[0].id} is of a crew, which works for its department and owns no case."
            accepted = (("不属抢修班组的人员", "a person of no crew"),)
        case "elsewhere":
            [person] = fault.people
            work = f"the work is that of {department or 'a department'}"
            detail = f"{person.id} is of {person.department or 'no department'}, and {work}."
            accepted = ((f"{department or '该部门'} 的人员", f"a person of {department or 'the department'}"),)
        case _:
            assert_never(fault.kind)
    return ProblemError(UNKNOWN_PEOPLE[role], detail, accepted=accepted)


def _named(person: Member) -> FoundPerson:
    return FoundPerson(person.id, shown_name(person.id, person.name), person.department)
