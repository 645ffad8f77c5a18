"""The ring of keys, from which those are derived that seal what Temporal stores, callers' links, and sessions.

It is in a file that the programs of a machine share, or in an environment variable. Its first key is made once neither
store holds cases (`hotline.lost_keys`), or by `hotline keys rotate`. The newest key seals, once its time has come and
every process has it. Older ones stay, to open what they sealed, until `hotline keys retire`.
"""

import logging
import math
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain, pairwise
from operator import attrgetter
from pathlib import Path

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from activities.keys import KEY_ID_BYTES, Key
from domain.shared.explain import key_at, message
from domain.shared.operator_errors import OperatorError
from hotline.files.atomic import Stamp, file_stamp, write_private
from hotline.settings import Settings, variable
from readmodel.database import exists, opened, reading, writing
from readmodel.process_keys import LIVE, keys_by_process, state, state_sealing

SECRET_BYTES = 32
LOOK_SECONDS = 1.0
"""Time between two looks at the file: a look at each seal would cost as much as the seal."""
_NO_FILE: Stamp = (0, 0, 0)
"""Stamp of a ring that is given."""

logger = logging.getLogger(__name__)


class KeysError(OperatorError):
    """Error of the ring; the text says what is wrong with it."""


class KeyEntry(BaseModel):
    """Entry of the ring: id and secret of a key, in hexadecimal digits, when it was made, and from when it seals."""

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    secret: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    created_at: AwareDatetime
    seals_from: AwareDatetime = Field(default_factory=lambda made: made["created_at"])

    @property
    def key(self) -> Key:
        """Return the key itself."""
        return Key(bytes.fromhex(self.id), bytes.fromhex(self.secret))


class _File(BaseModel):
    keys: tuple[KeyEntry, ...] = Field(min_length=1)


class Ring:
    """Keys of one file. Safe to share between threads, and its file between processes on one machine.

    Args:
        path: the file.
        given: content of such a file, which counts instead of it and is not changed; empty if there is none.
        clock: returns the present instant.
    """

    def __init__(self, path: Path, given: str = "", clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._given = given
        self._clock = clock
        # Stamp and keys are replaced together, so that threads need no lock.
        self._known: tuple[Stamp | None, dict[bytes, KeyEntry]] = (None, {})
        self._look_at = -math.inf
        self._shared: frozenset[str] | None = None

    def newest(self) -> Key:
        """Return the key that seals: the last whose time has come and that every process has. Raises KeysError."""
        self.require_shared()
        if not (keys := self._current()):
            raise KeysError(
                f"there is no file {self._path}. A program makes it when both stores answer and neither holds cases."
                " Put back the file of the last backup, or that of another machine."
            )
        shared = [each for each in keys.values() if self._shared is None or each.id in self._shared]
        now = self._clock()
        return next((each for each in reversed(shared) if each.seals_from <= now), shared[0]).key

    def find(self, key_id: bytes) -> Key | None:
        """Return the key with this id, also if it seals no longer; None if unknown. Raises KeysError."""
        found = self._current().get(key_id) or self._current(at_once=True).get(key_id)
        return found.key if found else None

    def list(self) -> tuple[KeyEntry, ...]:
        """Return all keys, the newest last; none if there is no file. Raises KeysError."""
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
        """Return what is wrong with the ring for a program that would start now; None if nothing is."""
        try:
            return None if self.list() else f"there is no file {self._path}"
        except KeysError as error:
            return str(error)

    def ids(self, made_after: datetime | None = None) -> Sequence[str]:
        """Return the ids of the keys of this process, or of those made after an instant. Raises KeysError."""
        keys = self._current(at_once=True).values()
        return [each.id for each in keys if made_after is None or each.created_at > made_after]

    def share(self, others: Iterable[Collection[str]]) -> None:
        """Let only keys seal that the other processes have, whose ids are given for each. Raises KeysError.

        Those keys count that most have: a process with other keys stops nobody but itself.
        """
        counts, own = Counter(chain.from_iterable(others)), self.ids()
        most = max((counts[each] for each in own), default=0)
        self._shared = frozenset(each for each in own if most and counts[each] == most) if counts else None

    def require_shared(self) -> None:
        """Raise KeysError if other processes have keys, and none of this one."""
        if self._shared is not None and not self._shared:
            raise KeysError(
                f"keys differ: the other processes of the service have no key of {self._place}. Copy the file of"
                " another machine, and add its keys by `hotline keys merge FILE`."
            )

    def rotate(self, after: timedelta = timedelta(0)) -> KeyEntry:
        """Add a key, which seals once so much time is over and every process has it; return it. Raises KeysError."""
        with self._changed():
            now = self._clock()
            made = KeyEntry(
                id=secrets.token_hex(KEY_ID_BYTES),
                secret=secrets.token_hex(SECRET_BYTES),
                created_at=now,
                seals_from=now + after,
            )
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
        """Return the ids of the keys that sealed last before an instant, each with its own. Raises KeysError."""
        keys, before = self.list(), min(before, self._clock() - LIVE)
        until = {
            key.id: max(later.seals_from, last_sealed.get(key.id, key.created_at)) for key, later in pairwise(keys)
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
        self._current(at_once=True)

    def _write(self, keys: Iterable[KeyEntry]) -> None:
        write_private(self._path, _File(keys=tuple(keys)).model_dump_json(indent=1) + "\n")

    def _current(self, *, at_once: bool = False) -> dict[bytes, KeyEntry]:
        """Return the keys of the ring, read again if the file has changed: at once, or within LOOK_SECONDS."""
        now = time.monotonic()
        if not at_once and now < self._look_at:
            return self._known[1]
        self._look_at = now + LOOK_SECONDS
        try:
            stamp = _NO_FILE if self._given else file_stamp(self._path)
        except OSError:  # the file cannot be reached
            stamp = None
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
        return keys


def ring_of(settings: Settings) -> Ring:
    """Return the ring of these settings: one in a process, which learns once which keys the other processes have."""
    return _ring(settings.keys_file, settings.keys)


_ring = cache(Ring)


def renew(settings: Settings, program: str = "") -> None:
    """State the keys of this process in SQL, and learn which keys the others have; that stays while SQL is silent.

    A command, which has no program's name, only learns. Raises KeysError if the keys were never read and cannot be.
    """
    ring, at = ring_of(settings), datetime.now(UTC)
    process = f"{program} on {socket.gethostname()}, process {os.getpid()}"
    if not exists(settings.database_url):
        return
    with suppress(SQLAlchemyError), opened(settings.database_url) as database:
        with reading(database) as connection:
            found = keys_by_process(connection, at)
        ring.share(ids for each, ids in found.items() if each != process)
        if program:
            with writing(database) as connection:
                state(connection, process, ring.ids(), at)
                with suppress(KeysError):
                    state_sealing(connection, ring.newest().id.hex(), at)
