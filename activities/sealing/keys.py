"""Keys of the service: one ring, of which each purpose has keys of its own; seals of texts with them, and links.

No link is stored, and only the service can read one. A case tells which of its links count: those that are younger
than the last revocation (作废链接).
"""

import base64
import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_ID_BYTES = 4


class Key(NamedTuple):
    """Key of the ring: the four bytes that name it in what it seals, and the secret."""

    id: bytes
    secret: bytes


class Keys(Protocol):
    """Ring of keys."""

    def newest(self) -> Key:
        """Key that seals. Raises OperatorError if there is none."""

    def find(self, key_id: bytes) -> Key | None:
        """None if there is none; a key that seals no longer is found as well."""


@lru_cache(maxsize=64)
def derived(secret: bytes, purpose: str, length: int) -> bytes:
    """Key for one purpose, of so many bytes, from a secret of the ring (HKDF)."""
    return HKDF(SHA256(), length, None, purpose.encode()).derive(secret)


class Seal:
    """Seal of texts that others keep for the service (AES-256-SIV), for one purpose: elsewhere they do not open.

    A key derived from the one of the ring that seals closes; those of all open.
    """

    def __init__(self, keys: Keys, purpose: str) -> None:
        self._keys = keys
        self._purpose = purpose

    def close(self, content: bytes) -> str:
        """For addresses and cookies, the same text for the same content. Raises as `newest`."""
        key = self._keys.newest()
        return _written(key.id + self._cipher(key).encrypt(content, None))

    def open(self, text: str) -> bytes | None:
        """None if this service has not sealed the text for this purpose."""
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            # It is written in one way only: the decoder skips what it does not know.
            key = self._keys.find(sealed[:KEY_ID_BYTES]) if _written(sealed) == text else None
            return self._cipher(key).decrypt(sealed[KEY_ID_BYTES:], None) if key else None
        except (ValueError, InvalidTag):
            return None

    def _cipher(self, key: Key) -> AESSIV:
        # It needs no nonce: none can come twice, and a notification that is sent again has the same link.
        return AESSIV(derived(key.secret, self._purpose, 64))


def _written(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


LINK_VALID = timedelta(days=14)
_CONTENT = struct.Struct(">QIHH")
"""Number, second and millisecond of the link, cycle. With the key's id and the code (MAC) before it, 36 bytes.

That of a crew goes on with its department, a space, and the id of who printed it.
"""


class Link(NamedTuple):
    """Content of a link; `department`, and the id of the person in `made_by`, are empty for the caller."""

    number: str
    cycle: int
    made_at: datetime
    department: str = ""
    made_by: str = ""

    def has_expired(self, at: datetime) -> bool:
        return at >= self.made_at + LINK_VALID


class Links:
    """Maker and reader of links for one purpose, with keys of the ring."""

    def __init__(self, keys: Keys, purpose: str = "links") -> None:
        self._seal = Seal(keys, purpose)

    def make(self, number: str, cycle: int, at: datetime, department: str = "", made_by: str = "") -> str:
        """Token of a link for this cycle of the case, the same for the same arguments; a caller's has 48 characters."""
        fixed = _CONTENT.pack(int(number), int(at.timestamp()), at.microsecond // 1000, cycle)
        return self._seal.close(fixed + f"{department} {made_by}".strip().encode())

    def read(self, text: str) -> Link | None:
        """Read a token, also one that has expired; None if this service has not made it."""
        if (content := self._seal.open(text)) is None:
            return None
        number, second, millisecond, cycle = _CONTENT.unpack_from(content)
        made_at = datetime.fromtimestamp(second, UTC) + timedelta(milliseconds=millisecond)
        department, _, made_by = content[_CONTENT.size :].decode().partition(" ")
        return Link(f"{number:013}", cycle, made_at, department, made_by)
