"""From parcels to letters: each is written in the words and the language of its route, and sent on its own."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple, Protocol

from readmodel.deliveries import Parcel

logger = logging.getLogger(__name__)


class Letter(NamedTuple):
    """What a channel sends. `phone` is the caller's, where there is one."""

    key: str
    number: str
    kind: str
    recipient: str
    created_at: datetime
    subject: str
    text: str
    phone: str | None


class DeliveryError(Exception):
    """A letter was not taken; the text says why, without personal data."""


class Sender(Protocol):
    """One way out of the house."""

    async def send(self, letter: Letter) -> None:
        """Return when it is taken, in the channel's time, or raise.

        Raises DeliveryError; anything else means the same and is told by its type alone.
        """


Write = Callable[[Parcel], Letter]


class Postman:
    """A channel that sends letter by letter, all of those that it is handed at the same time.

    Args:
        sender: sends one.
        write: puts a parcel into words.
    """

    def __init__(self, sender: Sender, write: Write) -> None:
        self._sender = sender
        self._write = write

    async def deliver(self, messages: Sequence[Parcel]) -> Mapping[str, str]:
        """Send them all; answer what failed and why."""
        reasons = await asyncio.gather(*(self._deliver(parcel) for parcel in messages))
        return {parcel.key: reason for parcel, reason in zip(messages, reasons, strict=True) if reason is not None}

    async def delivered(self, keys: Collection[str]) -> set[str]:
        """None: nobody out there can be asked. What was in doubt is sent again, under the same id."""
        if keys:
            logger.warning("%d messages are sent again: the courier ended while they were under way", len(keys))
        return set()

    async def _deliver(self, parcel: Parcel) -> str | None:
        try:
            await self._sender.send(self._write(parcel))
        except DeliveryError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - its text may name a number, an address or a secret
            return type(error).__name__
        return None


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """So long a receiver has to answer. Raises DeliveryError: it did not, and what it does later does not count."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DeliveryError(f"no answer within {seconds:g} s") from None


def message_id(*parts: str) -> str:
    """An id that is the same at every try, fits into a header, and names nobody, though keys may name staff."""
    return f"msg_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"
