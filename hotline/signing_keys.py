"""The keys that sign what the service sends to its workflows, and those that encrypt callers' links, in a file each.

API processes and workers share the file; the first that needs it makes it. The newest key signs. Older ones stay: what
they signed before, above all the starts of cases, is checked for as long as the cases are kept. Links expire, and their
keys with them.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from activities.signatures import SigningKey
from domain.shared.explain import key_at, message
from domain.shared.operator_errors import OperatorError
from hotline.files.atomic import Stamp, file_stamp, write_private

ID_BYTES = 4
SECRET_BYTES = 32

logger = logging.getLogger(__name__)


class SigningKeysError(OperatorError):
    """Error of the file of signing keys; the text says what is wrong with it."""


class KeyEntry(BaseModel):
    """Entry of the file: the id and secret of a key, in hexadecimal digits, and when it was made."""

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    secret: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_at: AwareDatetime


class _File(BaseModel):
    keys: tuple[KeyEntry, ...] = Field(min_length=1)


class SigningKeyFile:
    """Signing keys of one file. Safe to share between threads, and between processes on one machine."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._clock = clock
        # Stamp and keys are replaced together, so that threads need no lock.
        self._known: tuple[Stamp | None, dict[bytes, SigningKey]] = (None, {})

    def newest(self) -> SigningKey:
        """Return the key that signs. Raises SigningKeysError."""
        keys = self._current() or self._made()
        return next(reversed(keys.values()))

    def find(self, key_id: bytes) -> SigningKey | None:
        """Return the key with this id, also if it signs no longer; None if unknown. Raises SigningKeysError."""
        return self._current().get(key_id)

    def list(self) -> tuple[KeyEntry, ...]:
        """Return all keys, the newest last. Raises SigningKeysError."""
        self.newest()
        return self._read()

    def rotate(self, valid: timedelta | None = None) -> KeyEntry:
        """Add a key, which signs from now on, and return it. Raises SigningKeysError.

        Keys that were replaced longer ago than `valid` are dropped: all that they signed has expired. None keeps all.
        """
        with self._lock():
            keys = self._read()
            if valid is not None:
                expired_at = self._clock() - valid
                keys = (*(key for key, later in pairwise(keys) if later.created_at > expired_at), *keys[-1:])
            return self._add(keys)

    def _made(self) -> dict[bytes, SigningKey]:
        with self._lock():
            if not self._read():
                self._add(())
        return self._current()

    def _add(self, keys: tuple[KeyEntry, ...]) -> KeyEntry:
        made = KeyEntry(
            id=secrets.token_hex(ID_BYTES), secret=secrets.token_hex(SECRET_BYTES), created_at=self._clock()
        )
        write_private(self._path, _File(keys=(*keys, made)).model_dump_json(indent=1) + "\n")
        return made

    def _lock(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self._path}.lock")

    def _current(self) -> dict[bytes, SigningKey]:
        """Return the keys of the file, read again if it has changed."""
        stamp = file_stamp(self._path)
        known_stamp, keys = self._known
        # A process that has read the file goes on without it.
        if stamp != known_stamp and not (stamp is None and keys):
            try:
                found = (SigningKey(bytes.fromhex(each.id), bytes.fromhex(each.secret)) for each in self._read())
                keys = {key.id: key for key in found}
            except SigningKeysError:
                if known_stamp is None:
                    raise
                # A file broken by hand must not stop a running service.
                logger.exception("keeping the signing keys read before")
            self._known = stamp, keys
        return keys

    def _read(self) -> tuple[KeyEntry, ...]:
        try:
            return _File.model_validate_json(self._path.read_bytes()).keys
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise SigningKeysError(f"{self._path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = key_at(fault["loc"]) or "the whole"
            raise SigningKeysError(f"{self._path} is not a file of signing keys: {place}: {message(fault)}") from error
