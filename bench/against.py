"""The service of another commit beside the present one: the same load, in turns, while both run.

A round has two turns of each, a few seconds apart, as the machine is a tenth faster or slower each minute. It starts
both services anew: one commit beside itself was 3 % slower through six minutes, by its start alone. Of the other
checkout nothing is used but its `hotline` command and its HTTP; load and Temporal are the same for both. Each side has
its mode of SQLite, for Temporal and the read model alike.
"""

import statistics
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from bench import history
from bench.compare import CONCURRENT, Side, over_http, take_turn
from bench.report import Figure
from bench.server import (
    FOLDER_PREFIX,
    FULL,
    INSTALLED_HERE,
    NORMAL,
    UNSAFE,
    Service,
    ServiceError,
    clean_environment,
    run,
    running,
    tell,
)

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 10
BEFORE = "db90d0a"
"""Commit that has an activity write each action to SQL: the bars are of a comparison with it."""
LEAST_CASES = {(FULL, FULL): 1.45, (FULL, NORMAL): 1.1}
"""Least ratio of its cases per second, by the modes of both sides."""
MOST_PROCESSOR = {(FULL, FULL): 0.75}
"""Largest ratio of its processor time of a case."""
COUNTED_HISTORIES = 50
"""Cases of a round whose events are counted, at most."""
PROCESSES = ("temporal", "worker", "api")
WITHOUT_RATIO = ("202", "others")
WITHOUT_SETTING = '"synchronous = NORMAL"'
"""Mode of the read model in a checkout that has no setting for it."""
WIDTH = 11
SHORT = 10
THIS, THAT, RATIO = "this", "that", "this/that"
LEGEND = """ms: processor time of a case. events: of a case's history, under this load.
202: answers before SQL showed the case. others: share of other programs in the processor time of the machine."""

Figures = Mapping[str, float]
"""Figures of a round's turns of one side, by the heading of their column."""
Pair = tuple[Figures, Figures]
"""A round: this checkout's turns and the other's."""


@dataclass(frozen=True)
class Plan:
    """Size of a comparison; `warm` cases of each side before the turns of a round are not counted."""

    rounds: int
    cases: int
    warm: int

    def __str__(self) -> str:
        return f"{self.cases} cases a turn, {CONCURRENT} at a time, after {self.warm} that are not counted."


@dataclass(frozen=True)
class Subject:
    """Programs that are measured, by their folder, and the mode of SQLite that they run in."""

    programs: Path
    synchronous: str


async def commit_of(ref: str) -> str:
    """Return the full id of a commit. Raises ServiceError."""
    try:
        return (await _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")).strip()
    except ServiceError:
        raise ServiceError(f"{ref!r} is no commit of {ROOT}; give a branch, a tag or a commit that git knows") from None


@asynccontextmanager
async def checkout(commit: str) -> AsyncIterator[Path]:
    """Yield a folder with the files of a commit, apart from the working tree; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        archive = Path(folder) / "checkout.tar"
        await _git("archive", "--format=tar", f"--output={archive}", commit)
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        archive.unlink()
        yield Path(folder)


async def install(folder: Path) -> Path:
    """Install a checkout by its own `make install`, on the Python that runs this; return its folder of programs."""
    # An installation that is killed leaves temporary files, which are removed with the folder.
    environment = clean_environment(PYTHON=sys.executable, TMPDIR=tempfile.mkdtemp(dir=folder))
    await run(["make", "--directory", str(folder), "install"], environment)
    return folder / ".venv" / "bin"


def set_mode(folder: Path, wanted: str | None) -> str:
    """Return the mode of SQLite that a checkout runs in: the wanted one, else its own default.

    A checkout without the setting runs with NORMAL. If `full` is wanted, its module of connections is changed.

    Raises:
        ServiceError: that module does not have the line to be changed.
    """
    settings, database = folder / "hotline" / "settings.py", folder / "readmodel" / "database.py"
    if settings.exists() and UNSAFE in settings.read_text(encoding="utf-8"):
        return wanted or FULL
    if wanted != FULL:
        return NORMAL
    text = database.read_text(encoding="utf-8") if database.exists() else ""
    if text.count(WITHOUT_SETTING) != 1:
        raise ServiceError(f"that commit cannot run with synchronous=full: {database} does not say {WITHOUT_SETTING}")
    database.write_text(text.replace(WITHOUT_SETTING, WITHOUT_SETTING.replace("NORMAL", "FULL")), encoding="utf-8")
    return FULL


async def measure(
    ref: str, plan: Plan, synchronous: str, ref_synchronous: str | None
) -> tuple[str, list[Figure], list[Pair]]:
    """Install a commit and measure it beside this checkout; return the rounds as text, the ratios, and all of it raw.

    Args:
        ref: name of the commit.
        plan: size of the comparison.
        synchronous: mode of SQLite of this checkout.
        ref_synchronous: that of the commit; None is its own default.

    Raises:
        ServiceError: there is no such commit, it cannot be installed or run in that mode, or a service failed.
        OperatorError: one of the services did not come up.
    """
    commit = await commit_of(ref)
    here = (await _git("describe", "--always", "--dirty", "--exclude=*", f"--abbrev={SHORT}")).strip()
    async with checkout(commit) as folder:
        mode = set_mode(folder, ref_synchronous)
        tell(f"installing {ref} in {folder} ...")
        pairs = await in_turns(Subject(INSTALLED_HERE, synchronous), Subject(await install(folder), mode), plan)
    sides = [
        f"{THIS}: {here}, SQLite with synchronous={synchronous}",
        f"{THAT}: {commit[:SHORT]} ({ref}), SQLite with synchronous={mode}",
    ]
    text = "\n".join([*sides, table(pairs), LEGEND, str(plan)])
    return text, ratios(pairs, commit, (synchronous, mode)), pairs


def ratios(pairs: Sequence[Pair], commit: str, modes: tuple[str, str]) -> list[Figure]:
    """Return the ratios that count, medians of the rounds; with their bars if the other commit is `BEFORE`."""
    *_, ratio = medians(pairs)
    least, most = (LEAST_CASES, MOST_PROCESSOR) if commit.startswith(BEFORE) else ({}, {})
    return [
        Figure("cases per second, this/that", ratio["cases/s"], at_least=least.get(modes)),
        Figure("processor time of a case, this/that", ratio["together ms"], at_most=most.get(modes)),
    ]


async def in_turns(this: Subject, that: Subject, plan: Plan) -> list[Pair]:
    """Measure two subjects in rounds, each of which starts both services anew, first the one and then the other."""
    pairs: list[Pair] = []
    for place in range(plan.rounds):
        first, second = (that, this) if place % 2 else (this, that)
        figures = await _round(first, second, plan)
        pairs.append((figures[this.programs], figures[that.programs]))
        rates = " and ".join(f"{turns['cases/s']:.2f}" for turns in pairs[-1])
        tell(f"round {len(pairs)} of {plan.rounds}: {rates} cases per second")
    return pairs


async def _round(first: Subject, second: Subject, plan: Plan) -> dict[Path, Figures]:
    """Return the figures of both, by the folder of their programs, in the order first, second, second, first."""
    async with running(first.synchronous, first.programs) as one, running(second.synchronous, second.programs) as other:
        for service in (one, other):
            await _play(service, Side(), plan.warm)
        sides = {one: Side(), other: Side()}
        for service in (one, other, other, one):
            await _play(service, sides[service], plan.cases)
        return {
            first.programs: await _figures(one, sides[one]),
            second.programs: await _figures(other, sides[other]),
        }


async def _play(service: Service, side: Side, cases: int) -> None:
    await take_turn(side, over_http(service.key, service.url), cases, service.processes())


async def _figures(service: Service, side: Side) -> Figures:
    used = {name: side.processor_milliseconds()[name] for name in PROCESSES}
    return {
        "cases/s": side.rate,
        **{f"{name} ms": value for name, value in used.items()},
        "together ms": sum(used.values()),
        "events": await _events_of_a_case(service),
        "202": side.waiting,
        "others": side.strangers(),
    }


async def _events_of_a_case(service: Service) -> float:
    """Return the mean of events in the histories of cases that the load played."""
    client = await Client.connect(service.temporal_address)
    of_cases = f"WorkflowId STARTS_WITH '{history.WORKFLOW_ID.format(number='')}'"
    found = client.list_workflows(of_cases, limit=COUNTED_HISTORIES)
    return statistics.fmean([len(await history.settled(client.get_workflow_handle(one.id))) async for one in found])


def table(pairs: Sequence[Pair]) -> str:
    """Return each round and the median of all as lines of text: this checkout, the other, and the ratio of the two."""
    rounds = [(*pair, _ratio(*pair)) for pair in pairs]
    labels = [*map(str, range(1, len(rounds) + 1)), "median"]
    rows = [("round", "", *(f"{name:>{WIDTH}}" for name in pairs[0][0]))]
    for label, triple in zip(labels, [*rounds, medians(pairs)], strict=True):
        rows += [(label, side, *_cells(figures)) for side, figures in zip((THIS, THAT, RATIO), triple, strict=True)]
    return "\n".join(f"{row[0]:<6}  {row[1]:<{len(RATIO)}}  {'  '.join(row[2:])}".rstrip() for row in rows)


def medians(pairs: Sequence[Pair]) -> tuple[Figures, Figures, Figures]:
    """Return the medians of each side's turns, and of the rounds' ratios."""
    ones, others = zip(*pairs, strict=True)
    return _median(ones), _median(others), _median([_ratio(*pair) for pair in pairs])


def _ratio(one: Figures, other: Figures) -> Figures:
    return {name: one[name] / other[name] for name in one if name not in WITHOUT_RATIO}


def _median(turns: Sequence[Figures]) -> Figures:
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


def _cells(figures: Figures) -> Iterator[str]:
    return (f"{value:{WIDTH}.2f}" for value in figures.values())


async def _git(*arguments: str) -> str:
    return await run(["git", "-C", str(ROOT), *arguments], clean_environment())
