"""Connections: requests arrive and answers are taken within a time, and no address may hold all connections."""

import asyncio
from dataclasses import dataclass, field
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.limits import RareLog


@dataclass(frozen=True)
class ConnectionBounds:
    """Bounds of the connections of one process.

    Attributes:
        seconds: time within which the head of a request arrives, then its body, and then its answer is taken.
        most: connections at the same time.
        of_address: connections of one address at the same time.
        log: where refused addresses are named.
    """

    seconds: float
    most: int
    of_address: int
    log: RareLog = field(default_factory=RareLog)


class BoundedProtocol(HttpToolsProtocol):
    """HTTP by uvicorn, which itself waits for ever for the rest of a request, and for a client to take its answer.

    A connection is closed if the head of a request is late, or its body after the answer. A late body that the
    application waits for is answered 408 by `api.middleware.BodyLimit`.
    """

    bounds: ClassVar[ConnectionBounds]
    address: str
    _late: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request, or close at once what is beyond the bounds."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else "unknown"
        held = sum(getattr(other, "address", None) == self.address for other in self.connections)
        if held > self.bounds.of_address or len(self.connections) > self.bounds.most:
            bounds = f"{self.bounds.of_address} of one address, {self.bounds.most} in all"
            self.bounds.log.tell(f"address {self.address}", f"is refused connections: accepted are {bounds}")
            self.transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Begin to wait for a further request with its first byte, which ends uvicorn's own timer."""
        if self._late is None and getattr(self.cycle, "response_complete", True):
            self._wait()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        self._wait()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        if self._untaken:
            self._untaken.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait until the client has taken the answer: until then, a closed connection is kept."""
        super().on_response_complete()
        if self._untaken:
            self._untaken.cancel()
        self._untaken = self.loop.call_later(self.bounds.seconds, self._abort_untaken)

    def _abort_untaken(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _wait(self) -> None:
        self._stop_waiting()
        # `shutdown` closes the connection; if an answer is under way, after it.
        self._late = self.loop.call_later(self.bounds.seconds, self.shutdown)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def bounded_protocol(bounds: ConnectionBounds) -> type[BoundedProtocol]:
    """Return the protocol with these bounds, as uvicorn takes it: a class."""
    return type("Protocol", (BoundedProtocol,), {"bounds": bounds})
