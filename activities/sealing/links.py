"""Links of callers: no link is stored, and only the service can read one.

A case tells which of its links count: those that are younger than the last revocation (作废链接).
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from activities.sealing.keys import Keys, Seal

LINK_VALID = timedelta(days=14)
_CONTENT = struct.Struct(">QIHH")
"""Number, second and millisecond of the link, cycle. With the key's id and the code (MAC) before it, 36 bytes."""


class Link(NamedTuple):
    """Content of a link."""

    number: str
    cycle: int
    made_at: datetime

    def has_expired(self, at: datetime) -> bool:
        return at >= self.made_at + LINK_VALID


class CallerLinks:
    """Maker and reader of links, with keys of the ring."""

    def __init__(self, keys: Keys) -> None:
        self._seal = Seal(keys, "links")

    def make(self, number: str, cycle: int, at: datetime) -> str:
        """Token of a link for this cycle of the case, of 48 characters; the same for the same arguments."""
        return self._seal.close(_CONTENT.pack(int(number), int(at.timestamp()), at.microsecond // 1000, cycle))

    def read(self, text: str) -> Link | None:
        """Read a token, also one that has expired; None if this service has not made it."""
        if (content := self._seal.open(text)) is None:
            return None
        number, second, millisecond, cycle = _CONTENT.unpack(content)
        made_at = datetime.fromtimestamp(second, UTC) + timedelta(milliseconds=millisecond)
        return Link(f"{number:013}", cycle, made_at)
