"""The keys that sign what the service sends to its workflows, and those that encrypt callers' links, in a file each.

API processes and workers share the file. That of links is made by the first that needs it, that of signatures only once
neither store holds cases (`hotline.lost_keys`), or by `hotline signing rotate`. The newest key signs, from its time on.
Older ones stay: what they signed before, above all the starts of cases, is checked for as long as the cases are kept.
Links expire, and their keys with them.
"""

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, Self

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from activities.keys import Key
from domain.shared.explain import key_at, message
from domain.shared.operator_errors import OperatorError
from hotline.files.atomic import Stamp, file_stamp, write_private

ID_BYTES = 4
SECRET_BYTES = 32
LOOK_SECONDS = 1.0
"""Time between two looks at the file: a look at each signature would cost as much as the signature."""

logger = logging.getLogger(__name__)


class SigningKeysError(OperatorError):
    """Error of the file of signing keys; the text says what is wrong with it."""


class KeyEntry(BaseModel):
    """Entry of the file: id and secret of a key, in hexadecimal digits, when it was made, and from when it signs."""

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    secret: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_at: AwareDatetime
    signs_from: AwareDatetime = Field(default_factory=lambda made: made["created_at"])


class _File(BaseModel):
    keys: tuple[KeyEntry, ...] = Field(min_length=1)


class _Key(NamedTuple):
    """Key, and the instant from which it signs."""

    key: Key
    signs_from: datetime

    @classmethod
    def of(cls, entry: KeyEntry) -> Self:
        """Return the key of this entry."""
        return cls(Key(bytes.fromhex(entry.id), bytes.fromhex(entry.secret)), entry.signs_from)


class SigningKeyFile:
    """Signing keys of one file. Safe to share between threads, and between processes on one machine.

    Args:
        path: the file.
        clock: returns the present instant.
        makes: the first use makes the file.
    """

    def __init__(
        self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC), *, makes: bool = True
    ) -> None:
        self._path = path
        self._makes = makes
        self._clock = clock
        # Stamp and keys are replaced together, so that threads need no lock.
        self._known: tuple[Stamp | None, dict[bytes, _Key]] = (None, {})
        self._look_at = -math.inf

    def newest(self) -> Key:
        """Return the key that signs: the last one whose time has come. Raises SigningKeysError."""
        keys, now = [*(self._current() or self._made()).values()], self._clock()
        return next((each.key for each in reversed(keys) if each.signs_from <= now), keys[0].key)

    def find(self, key_id: bytes) -> Key | None:
        """Return the key with this id, also if it signs no longer; None if unknown. Raises SigningKeysError."""
        found = self._current().get(key_id) or self._current(at_once=True).get(key_id)
        return found and found.key

    def list(self) -> tuple[KeyEntry, ...]:
        """Return all keys, the newest last; none if there is no file. Raises SigningKeysError."""
        return _read(self._path)

    def fault(self) -> str | None:
        """Return what is wrong with the file for a program that would start now; None if nothing is."""
        try:
            return None if _read(self._path) else f"there is no file {self._path}"
        except SigningKeysError as error:
            return str(error)

    def rotate(self, after: timedelta = timedelta(0), valid: timedelta | None = None) -> KeyEntry:
        """Add a key, which signs from then on, and return it. Raises SigningKeysError.

        Keys that were replaced longer ago than `valid` are dropped: all that they signed has expired. None keeps all.
        """
        with self._lock():
            keys = _read(self._path)
            if valid is not None:
                expired_at = self._clock() - valid
                keys = (*(key for key, later in pairwise(keys) if later.signs_from > expired_at), *keys[-1:])
            return self._add(keys, after)

    def merge(self, other: Path) -> tuple[KeyEntry, ...]:
        """Add the keys of another file that are missing, in the order in which they were made; return them.

        Raises SigningKeysError, also if the two have a key of one id with two secrets; the file stays as it is.
        """
        with self._lock():
            there = {key.id: key for key in _read(self._path)}
            if not (others := _read(other)):
                raise SigningKeysError(f"there is no file {other}")
            if different := [key.id for key in others if key.id in there and key.secret != there[key.id].secret]:
                raise SigningKeysError(f"{other} has other secrets of the keys {', '.join(different)}")
            missing = tuple(key for key in others if key.id not in there)
            if missing:
                self._write(sorted((*there.values(), *missing), key=attrgetter("created_at")))
        return missing

    def _made(self) -> dict[bytes, _Key]:
        if not self._makes and not _read(self._path):
            raise SigningKeysError(
                f"there is no file {self._path}. A program makes it when both stores answer and neither holds cases."
                " Put back the file of the last backup, if there is one."
            )
        with self._lock():
            if not _read(self._path):
                self._add(())
        return self._current(at_once=True)

    def _add(self, keys: tuple[KeyEntry, ...], after: timedelta = timedelta(0)) -> KeyEntry:
        now = self._clock()
        names = {"id": secrets.token_hex(ID_BYTES), "secret": secrets.token_hex(SECRET_BYTES)}
        made = KeyEntry(**names, created_at=now, signs_from=now + after)
        self._write((*keys, made))
        self._current(at_once=True)
        return made

    def _write(self, keys: Iterable[KeyEntry]) -> None:
        write_private(self._path, _File(keys=tuple(keys)).model_dump_json(indent=1) + "\n")

    def _lock(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self._path}.lock")

    def _current(self, *, at_once: bool = False) -> dict[bytes, _Key]:
        """Return the keys of the file, read again if it has changed: at once, or within LOOK_SECONDS."""
        now = time.monotonic()
        if not at_once and now < self._look_at:
            return self._known[1]
        self._look_at = now + LOOK_SECONDS
        stamp = file_stamp(self._path)
        known_stamp, keys = self._known
        # A process that has read the file goes on without it.
        if stamp != known_stamp and not (stamp is None and keys):
            try:
                keys = {each.key.id: each for each in map(_Key.of, _read(self._path))}
            except SigningKeysError:
                if known_stamp is None:
                    raise
                # A file broken by hand must not stop a running service.
                logger.exception("keeping the signing keys read before")
            self._known = stamp, keys
        return keys


def _read(path: Path) -> tuple[KeyEntry, ...]:
    """Return the keys of a file; none if it does not exist. Raises SigningKeysError."""
    try:
        return _File.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SigningKeysError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = key_at(fault["loc"]) or "the whole"
        raise SigningKeysError(
            f"{path} is not a file of signing keys: {place}: {message(fault)}. Accepted: JSON with `keys`, each with"
            " `id`, `secret` and `created_at`, as the service writes it. Put back the file of the last backup."
        ) from error
