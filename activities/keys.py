"""Keys of the service: one ring, of which each purpose has keys of its own."""

from functools import lru_cache
from typing import NamedTuple, Protocol

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
        """Return the key that seals. Raises OperatorError if there is none."""

    def find(self, key_id: bytes) -> Key | None:
        """Return the key with this id, also one that seals no longer; None if there is none."""


@lru_cache(maxsize=64)
def derived(secret: bytes, purpose: str, length: int) -> bytes:
    """Return the key of a purpose, of so many bytes, that a secret of the ring leads to (HKDF)."""
    return HKDF(SHA256(), length, None, purpose.encode()).derive(secret)
