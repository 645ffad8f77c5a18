"""API keys in one file, so that access never depends on SQL.

A key is shown once, as `hk_<id>_<secret>`; the file holds the SHA-256 of the secret. The secret is 32 random
bytes, so a slow password hash would add nothing but load. Writers lock, write aside and replace: a reader sees
the old ring or the new one. A running API notices a new ring by the file's stamp.
"""

import hashlib
import hmac
import logging
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from filelock import FileLock
from pydantic import BaseModel, ValidationError

from domain.shared.actors import SYSTEM, Role
from domain.shared.explain import key_at, message
from domain.shared.operator_errors import OperatorError
from hotline.files.atomic import Stamp, file_stamp, write_private

TOKEN = re.compile(r"hk_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
TOKEN_SHAPE = "hk_, 8 hexadecimal digits, _ and 43 letters, digits, - or _"  # noqa: S105 - describes one, is none
NAME_LENGTH = 64
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible characters that Python counts as printable."""
IssuedRole = Literal[
    Role.ADMIN,
    Role.AGENT,
    Role.CALLER,
    Role.CREW,
    Role.DISPATCHER,
    Role.FOLLOW_UP,
    Role.MANAGER,
    Role.SUPERVISOR,
]
"""Roles that keys are issued for: all but those of a case's owner and of the service itself."""
ISSUED_ROLES: frozenset[Role] = frozenset(get_args(IssuedRole))
Namesakes = Literal["refuse", "revoke", "keep"]
"""Treatment of the live keys of a person who gets another key."""

logger = logging.getLogger(__name__)


class KeyringError(OperatorError):
    """Error of an operation on keys; the text gives the reason and what is accepted."""


class MalformedTokenError(KeyringError, ValueError):
    """Error of a text that does not have the form of a key."""


@dataclass(frozen=True)
class Key:
    """API key of one person: `name` stands on every event that the key causes.

    Times are in UTC. `department` is the code of the catalogue, for those who act for one.
    """

    id: str
    name: str
    role: Role
    department: str | None
    created_at: datetime
    revoked_at: datetime | None
    secret_sha256: str


class _Ring(BaseModel):
    keys: tuple[Key, ...]


class Keyring:
    """Keys of one file. Safe to share between threads, and between processes on one machine."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._clock = clock
        # Stamp and keys are replaced together, so that threads need no lock.
        self._known: tuple[Stamp | None, dict[str, Key]] = (None, {})

    def create(
        self, name: str, role: Role, department: str | None = None, *, namesakes: Namesakes = "refuse"
    ) -> tuple[Key, str]:
        """Add a key; return it and its text, which is not stored.

        Args:
            name: name of the person who acts with the key.
            role: role in which the person acts.
            department: code of the department that the person acts for; a crew needs one.
            namesakes: refuse the new key if the person has a live one, revoke that one, or keep both.

        Raises:
            KeyringError: no name that can be shown on an event, a role that no key is issued for, a crew without a
                department, or a person who has a live key.
        """
        _require_person(name)
        if role not in ISSUED_ROLES:
            raise KeyringError(f"no key is issued for {role}; accepted are {', '.join(sorted(ISSUED_ROLES))}")
        if role is Role.CREW and department is None:
            raise KeyringError("a crew's key needs a department: without one it would act for all")
        secret = secrets.token_urlsafe(32)
        with self._locked() as keys:
            at = self._clock()
            live = [key for key in keys.values() if key.revoked_at is None and _person(key.name) == _person(name)]
            if live and namesakes == "refuse":
                known = ", ".join(f"{key.id} ({key.role})" for key in live)
                raise KeyringError(
                    f"{live[0].name} has a live key, {known}; accepted: another name, or --replace, which revokes it"
                )
            ended = {key.id: replace(key, revoked_at=at) for key in live if namesakes == "revoke"}
            new_id = next(made for made in iter(lambda: secrets.token_hex(4), None) if made not in keys)
            key = Key(new_id, name.strip(), role, department, at, None, _digest(secret))
            self._write({**keys, **ended, new_id: key})
        return key, f"hk_{new_id}_{secret}"

    def list(self) -> tuple[Key, ...]:
        """Return all keys, revoked ones too, oldest first."""
        return tuple(sorted(self._current().values(), key=lambda key: (key.created_at, key.id)))

    def owners(self) -> tuple[str, ...]:
        """Return the names of the people who may own a case, sorted: staff with a live key."""
        live = (key for key in self._current().values() if key.revoked_at is None)
        return tuple(sorted({key.name for key in live if key.role is not Role.CALLER}))

    def revoke(self, key_id: str) -> Key:
        """Revoke a key from now on; revoking it again changes nothing.

        Raises:
            KeyringError: no key has this id.
        """
        with self._locked() as keys:
            if key_id not in keys:
                raise KeyringError(f"there is no key {key_id!r}; accepted: an id that `hotline key list` shows")
            key = keys[key_id]
            if key.revoked_at is None:
                key = replace(key, revoked_at=self._clock())
                self._write({**keys, key_id: key})
        return key

    def verify(self, token: str) -> Key | None:
        """Return the key of this token, or None if it is unknown, wrong or revoked.

        Raises:
            MalformedTokenError: the text does not have the form of a key.
        """
        match = TOKEN.fullmatch(token)
        if match is None:
            raise MalformedTokenError(f"an API key is {TOKEN_SHAPE}; this has {len(token)} characters of another shape")
        key_id, secret = match.groups()
        key = self._current().get(key_id)
        # The comparison is made for an unknown id too, so that time does not tell which ids exist.
        fits = hmac.compare_digest(_digest(secret), key.secret_sha256 if key else _digest(""))
        return key if key and fits and key.revoked_at is None else None

    def _current(self) -> dict[str, Key]:
        """Return the keys of the file, read again if it has changed."""
        stamp = file_stamp(self._path)
        known_stamp, keys = self._known
        if stamp != known_stamp:
            try:
                keys = self._read()
            except KeyringError:
                if known_stamp is None:
                    raise
                # A file broken by hand must not lock out those who had access.
                logger.exception("keeping the keys read before")
            self._known = stamp, keys
        return keys

    def _read(self) -> dict[str, Key]:
        try:
            return {key.id: key for key in _Ring.model_validate_json(self._path.read_bytes()).keys}
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = key_at(fault["loc"]) or "the whole"
            raise KeyringError(f"{self._path} is not a file of API keys: {place}: {message(fault)}") from error

    @contextmanager
    def _locked(self) -> Iterator[dict[str, Key]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # The lock has a file of its own: the ring's is replaced, and a lock on it would be left behind.
        with FileLock(f"{self._path}.lock"):
            yield self._read()

    def _write(self, keys: dict[str, Key]) -> None:
        write_private(self._path, _Ring(keys=tuple(keys.values())).model_dump_json(indent=1) + "\n")


def ensure_admin_key(ring: Keyring, path: Path) -> None:
    """Write an administrator's key into the private file at `path`, unless it holds a key that is live."""
    try:
        if ring.verify(path.read_text(encoding="utf-8").strip()):
            return
    except (FileNotFoundError, MalformedTokenError):
        pass
    # One that was moved to a safe place stays good.
    _, token = ring.create("admin", Role.ADMIN, namesakes="keep")
    write_private(path, token + "\n")


def _require_person(name: str) -> None:
    """Raise KeyringError if the name has no visible letter or digit, or is the service's own."""
    shown = any(character.isalnum() for character in name)
    if not shown or len(name) > NAME_LENGTH or not name.isprintable() or INVISIBLE.search(name):
        raise KeyringError(
            f"a key needs the name of a person: 1 to {NAME_LENGTH} printable characters, a letter or digit among them"
            " and none that is invisible or turns the direction of the text"
        )
    if _person(name) == SYSTEM.id:
        raise KeyringError(f"the name {SYSTEM.id} is the service's own on events; accepted: the name of a person")


def _person(name: str) -> str:
    """Return the name without differences of case, width and encoding of accents."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
