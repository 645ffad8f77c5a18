"""`python -m bench`: every figure, in one run, on services that are started for it. `make bench` calls it.

Exit code 1 means that a bar was missed, 2 that it could not be measured. Nothing else should run meanwhile.
TMPDIR names the folder of all data.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from temporalio.client import Client

from bench import (
    against,
    assessment,
    beside,
    calls,
    calls_import,
    catalogue,
    compare,
    courier,
    crowd,
    desk,
    door,
    history,
    lists,
    open_cases,
    postgres,
    power,
    rebuild_workflows,
    report,
    reports,
    restart,
    surge,
    verify,
)
from bench.measure import MILLISECONDS
from bench.peers import side_by_side
from bench.report import Figure
from bench.server import FULL, MODES, Service, ServiceError, answer, running, tell
from domain.shared.errors import OperatorError

Raw = dict[str, Any]
Result = tuple[list[Figure], Raw]
MILLION, QUICK_COUNT = 1_000_000, 50_000
SURGE, QUICK_SURGE = 20_000, 500
OPEN_CASES, QUICK_OPEN_CASES = 10_000, 500
LOST, QUICK_LOST = 10_000, 1_000
MOST_MEMORY = {"temporal": 800, "worker": 600, "api": 400}
"""MiB. Together they leave a machine of 2 GB something."""
OPEN, QUICK_OPEN = (1_000, 50_000), (100, 1_000)
COMMENTS, QUICK_COMMENTS = 100_000, 2_000
SHOWN_PAGES = 10
STRANGERS = 0.15
"""The driver's own start is counted among the strangers: some of it is always there."""
NOT_MEASURED, INTERRUPTED = 2, 130


async def cases(service: Service, *, quick: bool) -> Result:
    """Measure complete cases per second and latencies, beside the floor's."""
    sides = await compare.measure(service, compare.QUICK if quick else compare.FULL)
    product, floor, smaller = (sides[name] for name in (compare.PRODUCT, compare.FLOOR, compare.SMALLER_FLOOR))
    at_20 = {share: product.milliseconds("action", share) for share in (0.5, 0.99)}
    singly = [side.milliseconds("action", 0.5, single=True) for side in (product, floor)]
    figures = [
        Figure("cases per second over HTTP, of a floor of 7 updates", compare.ratio(product, floor)),
        Figure("the same, by processor time alone", compare.processor_ratio(product, floor)),
        # The bar is against what a case really sends: its registration is the start.
        Figure("the same, of a floor with a start and 6 updates", compare.ratio(product, smaller), at_least=0.95),
        Figure("the same, by processor time alone", compare.processor_ratio(product, smaller)),
        *(Figure(f"share of other programs, {name}", side.strangers()) for name, side in sides.items()),
        Figure("action at 20 concurrent, p99 of p50", at_20[0.99] / at_20[0.5], at_most=4),
        Figure("action one at a time, p50, of the floor's update", singly[0] / singly[1], at_most=0.9),
        Figure("answers of 202", product.waiting),
        *(Figure(f"cases per second, {name}", side.rate, "/s") for name, side in sides.items()),
        *_latencies(product, floor),
        *(
            Figure(f"processor time of a case, {name}, {process}", used, "ms")
            for name, side in sides.items()
            for process, used in side.processor_milliseconds().items()
            if used >= 1
        ),
    ]
    return figures, {name: _numbers(side) for name, side in sides.items()}


def _numbers(side: compare.Side) -> Raw:
    return {
        "rates": [turn.rate for turn in side.concurrent],
        "processor_milliseconds": side.processor_milliseconds(),
        "samples": sum(len(turn.latencies["action"]) for turn in side.concurrent),
    }


def _latencies(product: compare.Side, floor: compare.Side) -> Iterator[Figure]:
    for single in (True, False):
        how = "one at a time" if single else f"{compare.CONCURRENT} concurrent"
        for name, side in ((compare.PRODUCT, product), (compare.FLOOR, floor)):
            operations = ["register", "action", *(["start"] if single and side is floor else [])]
            for operation in operations:
                for share in (0.5, 0.99):
                    what = f"{name}, {operation}, {how}, p{share * 100:.0f}"
                    yield Figure(what, side.milliseconds(operation, share, single=single), "ms")


async def one_case(service: Service, *, quick: bool) -> Result:  # noqa: ARG001 - one case is one case
    """Measure the cost of a case in Temporal."""
    client = await Client.connect(service.temporal_address)
    counted, sample = await history.measure(service.url, service.key, client)
    bars = {"events": 45, "billable_actions": 15, "timers": 2, "history_bytes": 28 * 1024}
    figures = [
        Figure(f"of one case: {name.replace('_', ' ')}", value, at_most=bars.get(name))
        for name, value in asdict(counted).items()
    ]
    return figures, {"answers of 202": sample.waiting}


async def after_a_kill(service: Service, *, quick: bool) -> Result:
    """Measure the wait after the worker's death."""
    times = [await restart.measure(service) for _ in range(1 if quick else 3)]
    figures = [
        Figure("kill -9 of the worker: next action, from its restart", max(one.idle for one in times), "s", at_most=5),
        Figure("the same, from the kill", max(one.idle_from_kill for one in times), "s"),
        Figure("the same, busy cases, the longest of 20", max(one.busy for one in times), "s"),
    ]
    return figures, {"times": [asdict(one) for one in times]}


async def new_catalogue(service: Service, *, quick: bool) -> Result:
    """Measure the application of a catalogue to many open cases."""
    applied = await catalogue.measure(service, QUICK_OPEN_CASES if quick else OPEN_CASES)
    figures = [
        Figure(f"a catalogue applied to {applied.cases:,} open cases", applied.seconds, "s", at_most=150),
        Figure("the look ahead alone", applied.looked, "s"),
        Figure("cases that were not reached", applied.cases - applied.reached, at_most=0),
        Figure("most times that one was reached", applied.most_events, at_most=1),
    ]
    return figures, asdict(applied)


async def beside_open_cases(service: Service, *, quick: bool) -> Result:
    """Measure registrations and actions beside few and beside many open cases."""
    few, many = await open_cases.measure(service, *(QUICK_OPEN if quick else OPEN))
    figures = [
        *(
            Figure(f"{name}, p99, {many.open_cases:,} open cases, of {few.open_cases:,}", ratio, at_most=1.5)
            for name, ratio in (
                ("registration", many.register_p99 / few.register_p99),
                ("action", many.action_p99 / few.action_p99),
            )
        ),
        *(
            Figure(f"{name}, p99, {one.open_cases:,} open cases", milliseconds, "ms")
            for one in (few, many)
            for name, milliseconds in (("registration", one.register_p99), ("action", one.action_p99))
        ),
        *_memory(few.memory, f"{few.open_cases:,} open cases"),
        *_memory(many.memory, f"{many.open_cases:,} open cases"),
    ]
    return figures, {"few": asdict(few), "many": asdict(many)}


async def one_crowded_case(service: Service, *, quick: bool) -> Result:
    """Measure a case on which many people act."""
    seen = await crowd.measure(service, QUICK_COMMENTS if quick else COMMENTS)
    least = seen.comments + crowd.AT_ONCE + 2  # with registration and dispatch
    figures = [
        Figure(
            f"{crowd.AT_ONCE} actions at once on one case by two API processes, the longest",
            seen.at_once,
            "s",
            at_most=5,
        ),
        Figure(f"version of a case after {seen.comments:,} keyed comments", seen.version, at_least=least),
        Figure("the same, comments per second", seen.comments / seen.seconds, "/s"),
        Figure(f"the same, the last {crowd.LAST:,}, p99", seen.last_p99, "ms"),
        *_memory(seen.memory, "after them"),
    ]
    return figures, asdict(seen)


async def sandbox_start(*, quick: bool) -> Result:  # noqa: ARG001 - it takes a second
    """Measure one start of the workflow sandbox."""
    taken = await answer("bench.sandbox")
    figures = [
        Figure("start of a run in the sandbox, p50", taken["p50"], "ms", at_most=2),
        Figure("the same, p99", taken["p99"], "ms"),
        Figure("the same, the first of a process", taken["first"], "ms"),
    ]
    return figures, taken


async def long_lists(*, quick: bool) -> Result:
    """Measure pages of a million cases on PostgreSQL."""
    pages = await postgres.in_thread(lists.measure, count := QUICK_COUNT if quick else MILLION)
    desk = next(page for page in pages if page.desk)
    unindexed = [str(page) for page in pages if page.scans]
    figures = [
        Figure(f"slowest page that desks ask for, {count:,} cases", desk.milliseconds, "ms", at_most=50),
        Figure(f"slowest of {len(pages)} pages by up to three filters", pages[0].milliseconds, "ms", at_most=1000),
        Figure("pages for which a table is read from end to end", len(unindexed), at_most=0),
        *(Figure(f"  {page}", page.milliseconds, "ms") for page in pages[:SHOWN_PAGES]),
    ]
    return figures, {"read from end to end": unindexed, "pages": [asdict(page) for page in pages]}


async def surge_of(service: Service, *, quick: bool) -> Result:
    """Measure an incident with many cases, and emergencies in between."""
    seen = await surge.measure(service, QUICK_SURGE if quick else SURGE)
    idle = surge.Emergencies(seen.idle.seconds + seen.idle_again.seconds).share(0.5)
    figures = [
        Figure(f"{seen.cases:,} linked cases completed and replied to", seen.settled, "s", at_most=500),
        Figure("the same, cases per second", seen.cases / seen.settled, "/s"),
        Figure("calls taken and linked per second", seen.calls_per_second, "/s"),
        Figure(
            "a burst main meanwhile, p50 of that on the idle service before and after",
            seen.while_settling.share(0.5) / idle,
            at_most=1.4,
        ),
        *(
            Figure(f"a burst main {when}, into the queue, {name}", one.share(share) * MILLISECONDS, "ms")
            for when, one in (
                ("on an idle service", seen.idle),
                ("while calls pour in", seen.while_calling),
                ("while cases are settled", seen.while_settling),
                ("on the idle service again", seen.idle_again),
            )
            for name, share in (("p50", 0.5), ("p90", 0.9), ("longest", 1.0))
        ),
        *_memory(seen.memory, "after the surge"),
    ]
    return figures, asdict(seen)


async def lost_workflows(service: Service, *, quick: bool) -> Result:
    """Measure the rebuild of all workflows after the loss of Temporal's database, and the comparison of the stores."""
    seen = await rebuild_workflows.measure(service, QUICK_LOST if quick else LOST)
    figures = [
        Figure(f"{seen.cases:,} lost workflows rebuilt", seen.rebuilt, "s", at_most=300),
        Figure("the same, workflows per second", seen.cases / seen.rebuilt, "/s"),
        Figure("the same cases compared in both stores", seen.verified, "s"),
    ]
    return figures, asdict(seen)


def _memory(used: Mapping[str, float], when: str) -> list[Figure]:
    return [Figure(f"memory of {name}, {when}", used[name], "MiB", at_most=most) for name, most in MOST_MEMORY.items()]


WITH_SERVICE: Mapping[str, Callable[..., Awaitable[Result]]] = {
    "cases": cases,
    "history": one_case,
    "restart": after_a_kill,
}
WITH_SERVICE_OF_ITS_OWN: Mapping[str, Callable[..., Awaitable[Result]]] = {
    "surge": surge_of,
    "catalogue": new_catalogue,
    "open": beside_open_cases,
    "crowd": one_crowded_case,
    "desk-people": desk.beside_people,
    "door": door.measure,
    "rebuild-workflows": lost_workflows,
    "verify": verify.measure,
}
ALONE: Mapping[str, Callable[..., Awaitable[Result]]] = {
    "power": power.figures,
    "sandbox": sandbox_start,
    "lists": long_lists,
    "assessment": assessment.measure,
    "beside": beside.measure,
    "calls": calls.measure,
    "calls-import": calls_import.measure,
    "courier": courier.measure,
    "desk": desk.measure,
    "reports": reports.measure,
    "peers": side_by_side.measure,
}
NAMES = [*WITH_SERVICE, *WITH_SERVICE_OF_ITS_OWN, *ALONE]


async def run(wanted: list[str], synchronous: str, *, quick: bool) -> tuple[list[Figure], Raw]:
    """Measure the chosen figures, with one service for all that need one."""
    figures: list[Figure] = []
    raw: Raw = {}

    async def note(name: str, result: Awaitable[Result]) -> None:
        began = time.monotonic()
        tell(f"measuring {name} ...")
        more, raw[name] = await result
        figures.extend(more)
        tell(report.table(more))
        tell(f"  took {time.monotonic() - began:.0f} s")

    if any(name in WITH_SERVICE for name in wanted):
        async with running(synchronous) as service:
            for name in (name for name in WITH_SERVICE if name in wanted):
                await note(name, WITH_SERVICE[name](service, quick=quick))
    for name in (name for name in WITH_SERVICE_OF_ITS_OWN if name in wanted):
        async with running(synchronous) as service:
            await note(name, WITH_SERVICE_OF_ITS_OWN[name](service, quick=quick))
    for name in (name for name in ALONE if name in wanted):
        await note(name, ALONE[name](quick=quick))
    return figures, raw


async def measured(given: argparse.Namespace) -> tuple[str, list[Figure], Raw]:
    """Measure what the command line asks for; return it as text, as figures with their bars, and raw."""
    task = asyncio.current_task()
    assert task is not None
    # Ends as Ctrl-C does, so that no server and no checkout is left.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if given.against is None:
        figures, raw = await run(given.only or NAMES, given.sqlite_synchronous, quick=given.quick)
        return report.table(figures), figures, raw
    size = compare.QUICK if given.quick else compare.FULL
    cases = given.cases or size.concurrent_cases
    plan = against.Plan(given.rounds or against.ROUNDS, cases, min(cases, size.warm))
    modes = given.sqlite_synchronous, given.ref_synchronous
    text, figures, pairs = await against.measure(given.against, plan, *modes)
    return f"{text}\n\n{report.table(figures)}", figures, {"plan": asdict(plan), "modes": modes, "rounds": pairs}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong options end the process with exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, too small for the bars to mean much")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument(
        "--sqlite-synchronous",
        choices=MODES,
        default=FULL,
        help="SQLite of Temporal and read model: full waits for the disk at each commit; default: %(default)s",
    )
    parser.add_argument(
        "--ref-synchronous",
        choices=MODES,
        help="with --against: the mode of the other commit; default: what it runs with by itself",
    )
    parser.add_argument(
        "--against",
        metavar="REF",
        help="compare with another commit: it is checked out and installed in a temporary folder, and the same cases "
        "are played on this checkout and on that one in turns, each round on empty data",
    )
    parser.add_argument("--rounds", type=_count, metavar="N", help=f"with --against: default {against.ROUNDS}")
    parser.add_argument(
        "--cases",
        type=_count,
        metavar="N",
        help=f"with --against: cases of a turn; default {compare.FULL.concurrent_cases}, "
        f"with --quick {compare.QUICK.concurrent_cases}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file as well")
    given = parser.parse_args(arguments)
    if given.against is not None and given.only:
        parser.error("--against plays whole cases and nothing else; leave out --only")
    if given.against is None and (given.rounds or given.cases or given.ref_synchronous):
        parser.error("--rounds, --cases and --ref-synchronous are for a comparison; give --against REF too")
    return given


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number from 1")
    return int(text)


def main() -> None:
    """Measure, print the table, and end with an exit code: 0 if every bar was reached."""
    given = parse()
    try:
        table, figures, raw = asyncio.run(measured(given))
    except (ServiceError, OperatorError, OSError) as error:
        tell(f"python -m bench: {error}")
        sys.exit(NOT_MEASURED)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(INTERRUPTED)
    where = report.machine(given.sqlite_synchronous)
    print(table)
    print("\n".join(f"{name}: {value}" for name, value in where.items()))
    print("The workflow sandbox is off, for the product and for the floor.")
    print(f"Where other programs had a share over {STRANGERS:g}, times on the clock mean little: run again at rest.")
    if given.json:
        given.json.write_text(json.dumps(report.document(figures, raw, where), indent=1, default=str), encoding="utf-8")
    sys.exit(not all(figure.reached for figure in figures))


if __name__ == "__main__":
    main()
