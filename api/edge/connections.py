"""Bounds of connections: a head is small, each step takes a limited time, and no address may hold all connections."""

import asyncio
from dataclasses import dataclass, field
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.edge.limits import RareLog
from api.edge.middleware import HEAD_TOO_LARGE
from api.edge.problems import ProblemError

HEAD_BYTES = 64 * 1024
"""Largest head of a request: its line and fields. httptools takes no longer URL either."""
LONG_TARGET = b"/temporal/render?"
"""Beginning of the one URL that may be longer: the Temporal UI asks with it for the details of a case."""
TARGET_BYTES = 1_000_000
"""Longest such URL: 80,000 characters of details, with 9 bytes for each Chinese character and 12 for some."""
LONG_HEADS, LONG_HEADS_OF_ADDRESS = 32, 8
"""Connections at the same time that may have sent a longer head, in all and of one address: 32 MB."""
MOST_FIELDS = 100
"""Most fields of a request, with its trailers: each takes some twenty times the bytes of a tiny one."""
PIECE_BYTES = 8 * 1024
"""Bytes that are parsed at once, so that the parser keeps no more than this beyond a limit."""
PIPELINED = 32
"""Requests that may wait for their turn on one connection (HTTP pipelining)."""
LINGER_SECONDS = 2.0
"""Seconds in which what still comes is dropped after a refusal: a connection that is closed at once takes it along."""


@dataclass(frozen=True)
class ConnectionBounds:
    """Bounds of the connections of one process at the same time: in all, and of one address.

    Within the `seconds`, the head of a request arrives, then its body, and then its answer is taken.
    """

    seconds: float
    most: int
    of_address: int
    log: RareLog = field(default_factory=RareLog)


class BoundedProtocol(HttpToolsProtocol):
    """HTTP by uvicorn, which itself waits for ever for the rest of a request, and for a client to take its answer.

    A connection is closed if the head of a request is late, or its body after the answer. A late body that the
    application waits for is answered 408 by `middleware.limit_body`. A head beyond HEAD_BYTES, which the parser would
    keep, or of more than MOST_FIELDS is answered 431, and so is as much at the end of a body (trailers, extensions of
    chunks). An address that begins with LONG_TARGET does not count, up to TARGET_BYTES.
    """

    bounds: ClassVar[ConnectionBounds]
    connections: set["BoundedProtocol"]  # type: ignore[assignment]  # no other protocol is served
    address: str = ""
    url: bytes = b""
    has_long_head: bool = False
    _head: int = 0
    _fields: int = 0
    _is_refused: bool = False
    _is_at_end: bool = False
    _late: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.address = self.client[0] if self.client else "unknown"
        held = sum(other.address == self.address for other in self.connections)
        if held > self.bounds.of_address or len(self.connections) > self.bounds.most:
            bounds = f"{self.bounds.of_address} of one address, {self.bounds.most} in all"
            self.bounds.log.note(f"address {self.address}", f"is refused connections: accepted are {bounds}")
            self.transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Begin to wait for a further request with its first byte, which ends uvicorn's own timer."""
        if self._late is None and getattr(self.cycle, "response_complete", True):
            self._wait()
        place = 0
        while place < len(data) and not self._is_refused and not self._is_at_end and not self.transport.is_closing():
            piece = data[place : place + min(PIECE_BYTES, self._most() - self._head)]
            place += len(piece)
            self._head += len(piece)
            super().data_received(piece)
            if self._head >= self._most():
                self._refuse()
            elif len(self.pipeline) > PIPELINED:
                self.transport.abort()

    def _most(self) -> int:
        """Bytes of the largest head; a long URL adds what has come of it."""
        if len(self.url) < HEAD_BYTES // 2 or not self.url.startswith(LONG_TARGET):
            return HEAD_BYTES
        if not self.has_long_head:
            others = [other.address for other in self.connections if other.has_long_head]
            is_free = len(others) < LONG_HEADS and others.count(self.address) < LONG_HEADS_OF_ADDRESS
            self.has_long_head = is_free and getattr(self.cycle, "response_complete", True)
        return HEAD_BYTES + (min(len(self.url), TARGET_BYTES) if self.has_long_head else 0)

    def _refuse(self) -> None:
        """Answer 431 and end the connection; without an answer if an earlier one is under way."""
        self._is_refused = True
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if not getattr(self.cycle, "response_complete", True):
            self.transport.abort()
            return
        bytes_at_most, fields_at_most = f"{HEAD_BYTES} bytes at most", f"{MOST_FIELDS} header fields at most"
        detail = f"The request line and the header fields may have {bytes_at_most} together, and {fields_at_most}."
        accepted = [
            (f"不超过 {HEAD_BYTES} 字节", bytes_at_most),
            (f"不超过 {MOST_FIELDS} 个头字段", fields_at_most),
        ]
        answer = ProblemError(HEAD_TOO_LARGE, detail, accepted=accepted).response()
        fields = [*self.server_state.default_headers, *answer.raw_headers, (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % field for field in fields)
        self.transport.write(STATUS_LINE[answer.status_code] + lines + b"\r\n" + bytes(answer.body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._stop_waiting()
        self._late = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field, unless there are too many. The parser goes on to the end of its piece after a refusal."""
        self._fields += 1
        if self._fields <= MOST_FIELDS:
            super().on_header(name, value)
        elif not self._is_refused:
            self._refuse()

    def on_headers_complete(self) -> None:
        if self._is_refused:
            return
        self._head = 0
        self._wait()
        query = b""
        if self.has_long_head:
            # Set apart, as httptools reads no longer URL.
            self.url, _, query = self.url.partition(b"?")
        super().on_headers_complete()
        if query:
            self.scope["query_string"] = query
            # Nothing more is taken: what is kept of this connection counts until it is gone.
            self.cycle.keep_alive, self._is_at_end = False, True

    def on_body(self, body: bytes) -> None:
        if self._is_refused:
            return
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_refused:
            return
        self._head = self._fields = 0
        self._stop_waiting()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
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
    return type("Protocol", (BoundedProtocol,), {"bounds": bounds})
