"""Connections that bring no request, or half of one: they end, and hold up nobody else."""

import asyncio
import logging
import tracemalloc
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from api.edge.connections import HEAD_BYTES, LONG_HEADS_OF_ADDRESS, MOST_FIELDS, PIECE_BYTES, PIPELINED, TARGET_BYTES
from tests.support.api import CALL, Api, further_api
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
SOON = 0.3
"""Seconds that a request may take in these tests."""
HEAD = (
    b"POST /v1/complaints HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
)


class Wire(NamedTuple):
    """A connection as a client has it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, made: Api, stack: AsyncExitStack) -> "Wire":
        parts = urlsplit(made.url)
        wire = cls(*await asyncio.open_connection(parts.hostname, parts.port))
        stack.callback(wire.writer.close)
        return wire

    async def rest(self) -> bytes:
        """Return what comes until the server ends the connection; fails if it does not."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def drip(self, drops: bytes) -> None:
        """Send these bytes one by one, again and again, until the server ends the connection."""
        while not self.reader.at_eof() and not self.writer.is_closing():
            for drop in drops:
                self.writer.write(bytes([drop]))
                try:
                    await asyncio.wait_for(self.reader.read(1), SOON / 10)
                except TimeoutError:
                    continue
                except ConnectionError:
                    return


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /healthz HTTP/1.1\r\nHost: local"])
async def test_a_connection_without_a_whole_head_is_closed(on_sqlite: Api, sent: bytes) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, request_seconds=SOON) as made, AsyncExitStack() as stack:
        wire = await Wire.to(made, stack)
        wire.writer.write(sent)
        assert await wire.rest() == b""


@pytest.mark.slow
@pytest.mark.parametrize("drops", [b"\r\n", b"x"])
async def test_a_head_that_comes_drop_by_drop_is_not_waited_for(on_sqlite: Api, drops: bytes) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, request_seconds=SOON) as made, AsyncExitStack() as stack:
        wire = await Wire.to(made, stack)
        wire.writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in await wire.reader.readuntil(b"}")
        if drops == b"x":
            wire.writer.write(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        async with asyncio.timeout(10):
            await wire.drip(drops)


LINE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
BEGINNINGS = {
    "field": LINE + b"X-Long: %s\r\n\r\n",
    "fields": LINE + b"X: %s" + b"\r\nX: a" * (MOST_FIELDS - 2) + b"\r\n\r\n",
    "address": b"GET /healthz?q=%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "name": LINE + b"%s: x\r\n\r\n",
}


def of_size(head: bytes, size: int) -> bytes:
    """Return this head with so much filler that it has `size` bytes."""
    return head % (b"a" * (size - len(head) + len(b"%s")))


@pytest.mark.parametrize("part", BEGINNINGS)
async def test_a_head_beyond_64_kb_is_answered_431(on_sqlite: Api, part: str) -> None:
    async with AsyncExitStack() as stack:
        wire = await Wire.to(on_sqlite, stack)
        wire.writer.write(of_size(BEGINNINGS[part], HEAD_BYTES))
        assert b"200 OK" in await wire.reader.readuntil(b"}")
        wire.writer.write(of_size(BEGINNINGS[part], HEAD_BYTES + 1))
        head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        assert b"connection: close" in head
        assert b"urn:hotline:problem:head-too-large" in body


RENDER = b"GET /temporal/render?content=%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_the_address_of_details_may_be_longer_and_is_the_last_of_its_connection(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, temporal_ui_url="http://127.0.0.1:9") as made:
        for address, status in ((TARGET_BYTES, b"401"), (TARGET_BYTES + 2 * PIECE_BYTES + HEAD_BYTES, b"431")):
            async with AsyncExitStack() as stack:
                wire = await Wire.to(made, stack)
                wire.writer.write(RENDER % (b"a" * (address - len("/temporal/render?content="))) + LINE + b"\r\n")
                head, _, rest = (await wire.rest()).partition(b"\r\n\r\n")
            assert (head[: len(b"HTTP/1.1 401")], b"connection: close" in head) == (b"HTTP/1.1 " + status, True)
            assert b"HTTP/1.1 " not in rest


async def test_few_connections_may_have_a_longer_head_at_the_same_time(on_sqlite: Api) -> None:
    """One that is among them, and another that is not: an address of usual length passes."""
    async with AsyncExitStack() as stack:
        begun = [await Wire.to(on_sqlite, stack) for _ in range(LONG_HEADS_OF_ADDRESS)]
        for wire in begun:
            wire.writer.write(RENDER.partition(b"%s")[0] + b"a" * 2 * HEAD_BYTES)
            await wire.writer.drain()
        await on_sqlite.get("/healthz")
        beyond = await Wire.to(on_sqlite, stack)
        beyond.writer.write(RENDER % (b"a" * 2 * HEAD_BYTES))
        assert (await beyond.rest()).startswith(b"HTTP/1.1 431 ")
        begun[0].writer.write(b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await begun[0].rest()).startswith(b"HTTP/1.1 404 ")
        again = await Wire.to(on_sqlite, stack)
        again.writer.write(RENDER % (b"a" * 2 * HEAD_BYTES))
        assert (await again.rest()).startswith(b"HTTP/1.1 404 ")


def with_fields(times: int) -> bytes:
    """Return a request with so many fields, all of them tiny but one."""
    return LINE + b"a:\r\n" * (times - 1) + b"\r\n"


async def test_a_head_of_more_than_100_fields_is_answered_431(on_sqlite: Api) -> None:
    """Also if it comes as a whole with a body and another request: neither is taken."""
    async with AsyncExitStack() as stack:
        wire = await Wire.to(on_sqlite, stack)
        wire.writer.write(with_fields(100) * 2)
        for _ in range(2):
            assert b"200 OK" in await wire.reader.readuntil(b"}")
        body = b"0\r\n\r\n"
        wire.writer.write(with_fields(100)[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + body + with_fields(1))
        answer = await wire.rest()
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert (answer.count(b"HTTP/1.1 "), b"100 header fields at most" in answer) == (1, True)


@pytest.mark.parametrize(("trailers", "answered"), [(96, b"HTTP/1.1 401 "), (97, b"")])
async def test_trailers_count_as_fields(on_sqlite: Api, trailers: int, answered: bytes) -> None:
    """The head has four. The connection ends without the answer, as its request is under way."""
    async with AsyncExitStack() as stack:
        wire = await Wire.to(on_sqlite, stack)
        end = b"0\r\n" + b"a:\r\n" * trailers + b"\r\n"
        wire.writer.write(HEAD % b"x" + b"Transfer-Encoding: chunked\r\n\r\n" + end)
        wire.writer.write_eof()
        assert (await wire.rest())[: len(b"HTTP/1.1 401 ")] == answered


@pytest.mark.parametrize(
    "sent",
    [
        *(head.partition(b"%s")[0] for head in BEGINNINGS.values()),
        HEAD % b"x" + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
async def test_what_never_ends_is_not_kept(on_sqlite: Api, sent: bytes) -> None:
    """The connection ends long before 60 MB were taken, also in the trailers of a body."""
    async with AsyncExitStack() as stack:
        wire = await Wire.to(on_sqlite, stack)
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        wire.writer.write(sent)
        with suppress(ConnectionError):
            for _ in range(60):
                wire.writer.write(b"a" * 2**20)
                await wire.writer.drain()
        await wire.rest()
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20


async def test_requests_ahead_count_anew_and_are_few(on_sqlite: Api) -> None:
    async with AsyncExitStack() as stack:
        wire = await Wire.to(on_sqlite, stack)
        large = of_size(BEGINNINGS["field"], HEAD_BYTES - PIECE_BYTES)
        wire.writer.write(large * 3)
        for _ in range(3):
            assert b"200 OK" in await wire.reader.readuntil(b"}")
        wire.writer.write((LINE + b"\r\n") * (PIPELINED + 2))
        assert (await wire.rest()).count(b"200 OK") == 0


@pytest.mark.parametrize("length", [b"Content-Length: 900", b"Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_arrive_is_answered_408(on_sqlite: Api, length: bytes) -> None:
    key = on_sqlite.tokens["chen"].encode()
    async with further_api(on_sqlite, on_sqlite.clock, request_seconds=SOON) as made, AsyncExitStack() as stack:
        wire = await Wire.to(made, stack)
        wire.writer.write(HEAD % key + length + b"\r\n\r\n")
        head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in head.lower()
        assert b"urn:hotline:problem:request-timeout" in body


async def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for(on_sqlite: Api) -> None:
    """The answer is complete, so nothing in the application waits any more."""
    async with further_api(on_sqlite, on_sqlite.clock, request_seconds=SOON) as made, AsyncExitStack() as stack:
        wire = await Wire.to(made, stack)
        wire.writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n")
        assert b"200 OK" in await wire.reader.readuntil(b"}")
        async with asyncio.timeout(10):
            await wire.drip(b"x")


@pytest.mark.slow
async def test_an_answer_that_nobody_takes_is_given_up(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, request_seconds=SOON) as made, AsyncExitStack() as stack:
        wire = await Wire.to(made, stack)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport has it
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        wire.writer.write(asked * PIPELINED)

        async def is_gone() -> bool:
            wire.writer.write(b"\r\n")
            return wire.writer.is_closing()

        await until(is_gone, bool)


async def test_a_slow_request_within_its_time_is_answered(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, request_seconds=60) as made, AsyncExitStack() as stack:
        wire = await Wire.to(made, stack)
        body = b'{"service_code": "no_water", "description": "-", "location": {"district": "west"}}'
        sent = HEAD % made.tokens["chen"].encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for start in range(0, len(sent), 100):
            wire.writer.write(sent[start : start + 100])
            await wire.writer.drain()
            await made.get("/healthz")
        assert (await wire.reader.readline()).startswith(b"HTTP/1.1 201 ")


async def test_one_address_cannot_hold_all_connections(on_sqlite: Api, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        further_api(on_sqlite, on_sqlite.clock, request_seconds=30, connections_per_address=20) as made,
        AsyncExitStack() as stack,
    ):
        with caplog.at_level(logging.WARNING, "hotline.api"):
            held = [await Wire.to(made, stack) for _ in range(20)]
            beyond = [await Wire.to(made, stack) for _ in range(3)]
            assert [await wire.rest() for wire in beyond] == [b""] * 3
        held[0].writer.close()
        await held[0].writer.wait_closed()
        answer = await asyncio.wait_for(_first_answer(made), 10)
        assert answer == 201
    assert [record.getMessage() for record in caplog.records] == [
        "address 127.0.0.1 is refused connections: accepted are 20 of one address, 800 in all"
    ]


async def _first_answer(made: Api) -> int:
    """Return the status of a registration as soon as the server takes a connection again."""
    while True:
        try:
            return (await made.register(CALL)).status_code
        except httpx.TransportError:
            continue
