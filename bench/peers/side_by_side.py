"""The product beside programs that do the same with other means, in turns, with commits as safe on both sides.

A case is registered, acted on six times and read at its end, when it must be closed. The peers are installed into a
temporary folder, which takes a package index; the project's own environment is not touched. All programs run all the
time: an idle DBOS program uses about 3 % of a processor.
"""

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench import postgres
from bench.compare import CONCURRENT, FULL, QUICK, Leg, Side, Size, over_http, processor_ratio, ratio, take_turn
from bench.load import KEY_VARIABLE
from bench.report import Figure
from bench.server import FOLDER_PREFIX, child, clean_environment, run, running, tell
from tests.support.ports import free_ports

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PRODUCT, BY_CASE, BY_ACTION = "product", "DBOS, a workflow per case", "DBOS, a workflow per action"
DESIGNS = {BY_CASE: "case", BY_ACTION: "action"}
PROCESSES = 2
"""Of a DBOS program: as many as the product has Python processes, API and worker."""
KEY = "bench"
READ = "--read"
DBOS_PROGRAM = "bench.peers.dbos_hotline"
VERSIONS = "import importlib.metadata as m; print(*(f'{name} {m.version(name)}' for name in ('dbos', 'sqlalchemy')))"


@dataclass(frozen=True)
class Mode:
    """Safety of commits, of the product's SQLite files and of PostgreSQL; and the ratio to reach."""

    name: str
    synchronous: str
    synchronous_commit: str
    at_least: float


DURABLE = Mode("durable", "full", "on", 1.5)
FASTER = Mode("unsafe at power loss", "normal", "off", 1.85)


@dataclass(frozen=True)
class Peer:
    """A running program: its player and its processes, name to id."""

    leg: Leg
    processes: Mapping[str, int]


async def measure(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Compare product and peers in both modes; return figures, and raw numbers.

    Raises:
        ServiceError: a program failed, or a case did not end closed.
    """
    figures: list[Figure] = []
    raw: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        python = await install(Path(folder))
        raw["packages"] = (await run([python, "-c", VERSIONS], clean_environment())).strip()
        for mode in (DURABLE, FASTER):
            sides = await in_turns(python, mode, QUICK if quick else FULL)
            figures += _figures(mode, sides)
            raw[mode.name] = {name: _numbers(side) for name, side in sides.items()}
    tell(f"  every case ended closed on each side; {raw['packages']}")
    return figures, raw


async def install(folder: Path) -> str:
    """Install the peers' packages into a folder; return its Python. Raises ServiceError."""
    tell("installing the peers' packages ...")
    python = str(folder / "bin" / "python")
    environment = clean_environment(TMPDIR=tempfile.mkdtemp(dir=folder))
    await run([sys.executable, "-m", "venv", str(folder)], environment)
    quietly = ("--quiet", "--disable-pip-version-check", "--require-hashes")
    await run([python, "-m", "pip", "install", *quietly, "--requirement", str(REQUIREMENTS)], environment)
    return python


async def in_turns(python: str, mode: Mode, size: Size) -> dict[str, Side]:
    """Play the same cases on each program in turns, all of which run meanwhile."""
    sides = {name: Side() for name in (PRODUCT, *DESIGNS)}
    async with _product(mode) as product:
        with ExitStack() as running_peers:
            peers = {PRODUCT: product}
            for name, design in DESIGNS.items():
                peers[name] = running_peers.enter_context(_dbos(python, design, mode))
            for peer in peers.values():
                await peer.leg(cases=size.warm, concurrent=CONCURRENT)
            for turn in range(size.turns):
                # Forwards and backwards in turn, so that no side is always the one that comes after another.
                for name in list(peers)[:: 1 if turn % 2 else -1]:
                    side, peer = sides[name], peers[name]
                    side.single.append(await peer.leg(cases=size.single_cases, concurrent=1))
                    await take_turn(side, peer.leg, size.concurrent_cases, peer.processes)
                rates = ", ".join(f"{name} {side.concurrent[-1].rate:.1f}" for name, side in sides.items())
                tell(f"  {mode.name}, turn {turn + 1} of {size.turns}, cases per second: {rates}")
    return sides


@asynccontextmanager
async def _product(mode: Mode) -> AsyncIterator[Peer]:
    async with running(mode.synchronous) as service:
        yield Peer(over_http(service.key, service.url, READ), service.processes())


@contextmanager
def _dbos(python: str, design: str, mode: Mode) -> Iterator[Peer]:
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running())
        with psycopg.connect(server.uri, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_commit = {mode.synchronous_commit}")
            connection.execute("SELECT pg_reload_conf()")
        ports = free_ports(PROCESSES)
        processes = {"PostgreSQL": server.pid}
        for port in ports:
            arguments = (DBOS_PROGRAM, design, server.url, str(port))
            program = child(*arguments, ready="ready", python=python, **{KEY_VARIABLE: KEY})
            processes[f"process {len(processes)}"] = stack.enter_context(program).pid
        yield Peer(over_http(KEY, *(f"http://127.0.0.1:{port}" for port in ports), READ), processes)


def _figures(mode: Mode, sides: Mapping[str, Side]) -> list[Figure]:
    product = sides[PRODUCT]
    figures = [
        Figure(f"{mode.name}: cases per second, of {BY_CASE}", ratio(product, sides[BY_CASE]), at_least=mode.at_least),
        Figure("the same, by processor time alone", processor_ratio(product, sides[BY_CASE])),
        Figure(f"{mode.name}: cases per second, of {BY_ACTION}", ratio(product, sides[BY_ACTION])),
        Figure("the same, by processor time alone", processor_ratio(product, sides[BY_ACTION])),
        Figure(f"{mode.name}: answers of 202, {PRODUCT}", product.waiting),
    ]
    for name, side in sides.items():
        used, where = side.processor_milliseconds(), f"{mode.name}: {name}"
        figures += [
            Figure(f"{where}, cases per second", side.rate, "/s"),
            Figure(f"{where}, share of other programs", side.strangers()),
            *(
                Figure(f"{where}, {what}, one at a time, p50", side.milliseconds(what, 0.5, single=True), "ms")
                for what in ("register", "action", "read")
            ),
            *(
                Figure(f"{where}, action, {CONCURRENT} concurrent, {which}", side.milliseconds("action", share), "ms")
                for which, share in (("p50", 0.5), ("p99", 0.99))
            ),
            Figure(f"{where}, processor time of a case", sum(used.values()), "ms"),
            *(Figure(f"  of it, {process}", one, "ms") for process, one in used.items()),
        ]
    return figures


def _numbers(side: Side) -> dict[str, Any]:
    rates = [turn.rate for turn in side.concurrent]
    return {"rates": rates, "processor_milliseconds": side.processor_milliseconds(), "answers of 202": side.waiting}
