"""Ways to a server, on the loopback: a TCP relay that can be cut or frozen, and an HTTP proxy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """Passes bytes on to a server unless it is cut or frozen."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def mend(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections and end those that are there."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()
        self.thaw()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Take connections and bytes, and pass nothing on, as a server does that is stopped or out of reach."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on what was held back, and all that comes."""
        self._flows.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await self._reach(reader, writer)
        for source, sink in ((reader, back), (there, writer)):
            self._open.add(sink)
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _reach(self, _: asyncio.StreamReader, __: asyncio.StreamWriter) -> Streams:
        return await asyncio.open_connection(*self._target)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        self._open.discard(sink)
        sink.transport.abort()


@asynccontextmanager
async def relay(address: str) -> AsyncIterator[Relay]:
    """A relay to `host:port`, mended to begin with."""
    host, _, port = address.rpartition(":")
    made = Relay(host, int(port))
    await made.mend()
    try:
        yield made
    finally:
        await made.cut()


class ForwardProxy(Relay):
    """HTTP proxy that notes the first request of each connection. For it every name leads to the loopback."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0)
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def _reach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Streams:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split(maxsplit=2)
        self.asked.append(f"{method} {target}")
        is_tunnel = method == "CONNECT"
        streams = await asyncio.open_connection("127.0.0.1", urlsplit(f"//{target}" if is_tunnel else target).port)
        if is_tunnel:
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            streams[1].write(head)
        return streams


@asynccontextmanager
async def forward_proxy() -> AsyncIterator[ForwardProxy]:
    made = ForwardProxy()
    await made.mend()
    try:
        yield made
    finally:
        await made.cut()
