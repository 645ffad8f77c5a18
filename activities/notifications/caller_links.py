"""Callers' links: encrypted tokens that hold case number, cycle and the instant of the link.

No link is stored, and only the service can read one. A case tells which of its links count: those that are younger than
the last revocation (作废链接).
"""

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from activities.keys import KEY_ID_BYTES, Key, Keys, derived

VALID = timedelta(days=14)
"""Time for which a link is valid."""
_CONTENT = struct.Struct(">QIHH")
"""Number, second and millisecond of the link, cycle. The key's id is before it, the code (MAC) as well: 36 bytes."""


class LinkError(Exception):
    """Error for a token that is expired (`expired`) or that no key of this service has made."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "unknown")
        self.expired = expired


class Link(NamedTuple):
    """Content of a link."""

    number: str
    cycle: int
    made_at: datetime


class Links:
    """Maker and reader of links.

    Args:
        keys: the ring; a key derived from the newest encrypts, those of all decrypt.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def make(self, number: str, cycle: int, at: datetime) -> str:
        """Return the token of a link for this cycle of the case, of 48 characters; the same for the same arguments."""
        key = self._keys.newest()
        content = _CONTENT.pack(int(number), int(at.timestamp()), at.microsecond // 1000, cycle)
        # AES-SIV needs no nonce: a notification that is sent again has the same link.
        return _written(key.id + _cipher(key).encrypt(content, None))

    def read(self, text: str, at: datetime) -> Link:
        """Return the content of a token. Raises LinkError if it is forged or expired."""
        try:
            token = base64.urlsafe_b64decode(text)
            # A token is written in one way only: the decoder skips what it does not know.
            key = self._keys.find(token[:KEY_ID_BYTES]) if _written(token) == text else None
            content = _cipher(key).decrypt(token[KEY_ID_BYTES:], None) if key else b""
            number, second, millisecond, cycle = _CONTENT.unpack(content)
        except (ValueError, InvalidTag, struct.error):
            raise LinkError(expired=False) from None
        made_at = datetime.fromtimestamp(second, UTC) + timedelta(milliseconds=millisecond)
        if at >= made_at + VALID:
            raise LinkError(expired=True)
        return Link(f"{number:013}", cycle, made_at)


def _cipher(key: Key) -> AESSIV:
    return AESSIV(derived(key.secret, "links", 64))


def _written(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).decode()
