"""Ports for the servers of tests and benchmarks."""

import secrets
import socket
from contextlib import ExitStack, suppress

FIRST, END = 16384, 32768
"""Linux gives connections their ports from 32768 on: one of them could take a port before its server does."""


def free_ports(count: int) -> list[int]:
    """Return different ports of the loopback that nobody has."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = FIRST + secrets.randbelow(END - FIRST)
            with suppress(OSError):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
                found.append(port)
    return found
