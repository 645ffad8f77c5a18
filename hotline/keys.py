"""The ring of keys, from which those are derived that seal what Temporal stores, callers' links, and sessions.

It is in a file that the programs of a machine share, or in an environment variable. Its first key is made with a new
installation (`hotline.installation`), others by `hotline keys rotate`. The newest key that every process has seals.
Older ones stay, to open what they sealed, until `hotline keys retire`.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from activities.sealing.keys import KEY_ID_BYTES, Key
from domain.shared.errors import OperatorError, key_at, message
from hotline.files.data_folder import Stamp, file_stamp, write_private
from hotline.settings import Settings, variable
from readmodel.base.database import WriteConnection, write_in_thread
from readmodel.processes import LIVE, keys_by_process, process_name, state, state_sealing

SECRET_BYTES = 32
STATE_SECONDS = 20.0
"""Pause before a process states its keys again."""
_RUN = secrets.token_hex(4)
"""Mark of this process: containers of two machines may have one host name, and process 1."""
_NO_FILE: Stamp = (0, 0, 0)
"""Stamp of a ring that is given."""

logger = logging.getLogger(__name__)


class KeysError(OperatorError):
    """Error of the ring; the text says what is wrong with it."""


class KeyEntry(BaseModel):
    """Entry of the ring: id and secret of a key, in hexadecimal digits, and when it was made."""

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    secret: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    created_at: AwareDatetime

    @cached_property
    def key(self) -> Key:
        return Key(bytes.fromhex(self.id), bytes.fromhex(self.secret))


class _File(BaseModel):
    keys: tuple[KeyEntry, ...] = Field(min_length=1)


class Ring:
    """Keys of one file. Safe to share between threads, and its file between processes on one machine.

    `given` is the content of such a file, which counts instead of it and is not changed; empty if there is none.
    """

    def __init__(self, path: Path, given: str = "", clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._given = given
        self._clock = clock
        # Stamp and keys are replaced together, so that threads need no lock.
        self._known: tuple[Stamp | None, dict[bytes, KeyEntry]] = (None, {})
        self._shared: frozenset[str] | None = None
        self._seals: Key | None = None

    def newest(self) -> Key:
        """Key that seals: the last that every process has, see `share`. Raises KeysError."""
        if self._seals is None:
            self._read()
        self.require_shared()
        if self._seals is None:
            raise KeysError(
                f"there is no file {self._path}. `hotline up` makes it with new stores. Put back"
                " the file of the last backup, or that of another machine."
            )
        return self._seals

    def find(self, key_id: bytes) -> Key | None:
        """Find it also if it seals no longer; None if unknown. Raises KeysError."""
        found = self._known[1].get(key_id) or self._read().get(key_id)
        return found.key if found else None

    def list(self) -> tuple[KeyEntry, ...]:
        """With the newest last; none if there is no file. Raises KeysError."""
        try:
            return _File.model_validate_json(self._given or self._path.read_bytes()).keys
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise KeysError(f"{self._place} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = key_at(fault["loc"]) or "the whole"
            raise KeysError(
                f"{self._place} holds no keys: {where}: {message(fault)}. Accepted: JSON with `keys`, each with `id`,"
                " `secret` and `created_at`, as the service writes it. Put back the file of the last backup."
            ) from None

    def fault(self) -> str | None:
        """Fault of the ring for a program that would start now; None if nothing is wrong."""
        try:
            return None if self.list() else f"there is no file {self._path}"
        except KeysError as error:
            return str(error)

    def ids(self) -> Mapping[str, datetime]:
        """Keys of this process, each with when it was made. Raises KeysError."""
        return {each.id: each.created_at for each in self._read().values()}

    def share(self, others: Iterable[Collection[str]]) -> None:
        """Learn the ids of the keys that each other process has. Raises KeysError.

        Only a key seals that all processes have. If they have none in common, those of the largest group with one go
        on, so that a process with other keys stops nobody but itself; none does if two groups are as large.
        """
        everyone = [frozenset(self.ids()), *map(frozenset, others)]
        having = {key: [key in ids for ids in everyone] for ids in everyone for key in ids}
        largest = max(having.values(), key=sum, default=[])
        alone = all(group == largest for group in having.values() if sum(group) == sum(largest))
        self._shared = frozenset(key for key in everyone[0] if alone and having[key] == largest) if having else None
        self._choose()

    def require_shared(self) -> None:
        """Raise KeysError if other processes have keys, and none of this one."""
        if self._shared is not None and not self._shared:
            raise KeysError(
                f"keys differ: the other processes of the service have no key of {self._place}. Copy the file of"
                " another machine, and add its keys by `hotline keys merge FILE`."
            )

    def rotate(self) -> KeyEntry:
        """Add a key, which seals once every process has it; return it. Raises KeysError."""
        with self._changed():
            key_id, secret = secrets.token_hex(KEY_ID_BYTES), secrets.token_hex(SECRET_BYTES)
            made = KeyEntry(id=key_id, secret=secret, created_at=self._clock())
            self._write((*self.list(), made))
        return made

    def merge(self, other: Path) -> tuple[KeyEntry, ...]:
        """Add the keys of another file that are missing, in the order in which they were made; return them.

        Raises KeysError, also if the two have a key of one id with two secrets; the file stays as it is.
        """
        with self._changed():
            there = {key.id: key for key in self.list()}
            if not (others := Ring(other).list()):
                raise KeysError(f"there is no file {other}")
            if different := [key.id for key in others if key.id in there and key.secret != there[key.id].secret]:
                raise KeysError(f"{other} has other secrets of the keys {', '.join(different)}")
            missing = tuple(key for key in others if key.id not in there)
            if missing:
                self._write(sorted((*there.values(), *missing), key=attrgetter("created_at")))
        return missing

    def replaced(self, before: datetime, last_sealed: Mapping[str, datetime]) -> dict[str, datetime]:
        """Ids of the keys that sealed last before an instant, each with its own. Raises KeysError.

        A key of which `last_sealed` has nothing is left out: SQL may have been restored without it.
        """
        keys, before = self.list(), min(before, self._clock() - LIVE)
        until = {
            key.id: max(later.created_at, last_sealed[key.id]) for key, later in pairwise(keys) if key.id in last_sealed
        }
        return {key_id: at for key_id, at in until.items() if at < before}

    def retire(self, ids: Collection[str]) -> None:
        """Remove keys. Raises KeysError."""
        with self._changed():
            self._write(key for key in self.list() if key.id not in ids)

    @property
    def _place(self) -> str:
        return variable("keys") if self._given else str(self._path)

    @contextmanager
    def _changed(self) -> Iterator[None]:
        """Hold the file alone while it is changed. Raises KeysError if the ring is given."""
        if self._given:
            raise KeysError(
                f"{self._place} gives the keys, so no command changes them. Change it where it is set, for every"
                " process, and start each again; without it, keys are in a file."
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._path}.lock"):
            yield
        self._read()

    def _write(self, keys: Iterable[KeyEntry]) -> None:
        write_private(self._path, _File(keys=tuple(keys)).model_dump_json(indent=1) + "\n")

    def _read(self) -> dict[bytes, KeyEntry]:
        """Read the file again if it has changed. A check at each seal would cost as much."""
        stamp = _NO_FILE if self._given else file_stamp(self._path)
        known_stamp, keys = self._known
        # A process that has read the file goes on without it.
        if stamp != known_stamp and not (stamp is None and keys):
            try:
                keys = {each.key.id: each for each in self.list()}
            except KeysError:
                if known_stamp is None:
                    raise
                # A file broken by hand must not stop a running service.
                logger.exception("keeping the keys read before")
            self._known = stamp, keys
            self._choose()
        return keys

    def _choose(self) -> None:
        """Keep which key seals, so that no payload looks for it."""
        own = [each for each in self._known[1].values() if self._shared is None or each.id in self._shared]
        self._seals = own[-1].key if own else None


def ring_of(settings: Settings) -> Ring:
    """Keep one in a process, which learns once which keys the other processes have."""
    return _ring(settings.keys_file, settings.keys)


_ring = cache(Ring)


def renew(connection: WriteConnection, ring: Ring, program: str = "") -> None:
    """State the keys of a program in SQL; learn which the others have, as commands do as well. Raises KeysError."""
    at = datetime.now(UTC)
    process = process_name(program, socket.gethostname(), os.getpid()) + _RUN
    ring.share(ids for each, ids in keys_by_process(connection, at).items() if each != process)
    if program:
        state(connection, process, ring.ids(), at)
        with suppress(KeysError):
            state_sealing(connection, ring.newest().id.hex(), at)


async def renew_repeatedly(database: Engine, ring: Ring, program: str) -> None:
    """State the keys of this process again and again, and learn those of others; what was known stays meanwhile."""
    failing = False
    while True:
        try:
            await write_in_thread(database, partial(renew, ring=ring, program=program))
            failing = False
        except (SQLAlchemyError, KeysError) as error:
            if not failing:
                logger.warning("SQL is not told which keys this process has: %s", type(error).__name__)
            failing = True
        await asyncio.sleep(STATE_SECONDS)
