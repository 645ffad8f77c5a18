"""One run of the demo: prepare, play, check over HTTP, report."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from demo.client import Hotline, Rejected, Unreachable
from demo.day import Day
from demo.judge import Judging
from demo.offers import District, Offer, offers_of, require_demo_catalogue
from demo.people import Person, Staff
from demo.play import Player, Progress
from demo.report import report
from demo.tide import Tide
from demo.verify import verify

CONCURRENCY = 32
"""Most cases that are played at the same time."""


@dataclass(frozen=True)
class DemoOptions:
    """Options of one run of the demo: a day, or a surge.

    `make_keys` gives people keys of the service, by name; without it everybody acts with the administrator's.
    `day_seconds` is how long the day lasts, `deadline` how long the service may be away, both in seconds. `message_log`
    is the file of all messages that were sent, where this machine has it.
    """

    url: str
    admin_key: str
    cases: int
    seed: int
    day_seconds: float
    deadline: float
    surge: bool = False
    make_keys: Callable[[Sequence[Person]], dict[str, str]] | None = None
    message_log: Path | None = None


async def perform(options: DemoOptions, console: Console) -> bool:
    """Play a day or a surge and check it; return True if every case is as planned.

    Raises:
        Unreachable: the service was away for longer than the deadline.
        Rejected: the service refuses the administrator's key, or something that an incident needs.
        ValueError: there is nothing to be played.
    """
    async with _opened(options) as (hotline, staff, offers, districts):
        require_demo_catalogue(offers, options.url)
        run, plan = new_id(), (options.cases, options.seed, offers, districts)
        show = Tide(*plan, options.message_log) if options.surge else Day(*plan)
        console.print(f"[bold]run {run}[/bold] (seed {options.seed}): {show.title}, at {options.url}", soft_wrap=True)
        player = Player(hotline, staff, run, CONCURRENCY, options.day_seconds)
        player.say = lambda what: console.print(f"  {what}", highlight=False, soft_wrap=True)
        with _progress(console) as (player.progress, hotline.tell):
            await _play(player, show)
            hotline.tell("checking every case over HTTP")
            faults = show.faults if isinstance(show, Tide) else None
            verdict = await verify(player, show.calls, options.deadline, faults)
        show.report(console, verdict, options.url)
        report(console, show.calls, verdict, hotline.traffic, show.praise)
    return verdict.good


async def argue_month(month: str, options: DemoOptions, console: Console) -> bool:
    """Have people argue about a past month over HTTP; return True. It is final by itself. Raises as `perform`."""
    async with _opened(options) as (hotline, staff, _, _):
        await Judging(hotline, staff, month).argue()
    where = f"{options.url}/temporal/namespaces/default/workflows/assessment-{month}"
    console.print(f"{month} is judged (月度考核), and final within two minutes: {where}", soft_wrap=True)
    return True


@asynccontextmanager
async def _opened(options: DemoOptions) -> AsyncIterator[tuple[Hotline, Staff, list[Offer], list[District]]]:
    """Open a client of the service, with keys of the people; yield what the catalogue in force offers, too."""
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, districts = await offers_of(hotline)
        staff = Staff({offer.department for offer in offers})
        if options.make_keys:
            hotline.keys = await asyncio.to_thread(options.make_keys, staff.people)
        yield hotline, staff, offers, districts


async def _play(player: Player, show: Day | Tide) -> None:
    """Play until nothing is left to do. Raises Rejected, Unreachable."""
    try:
        await player.play(show.calls, show.direct)
    except* (Rejected, Unreachable) as group:
        # One reason stops the play; the others only say it again.
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


@contextmanager
def _progress(console: Console) -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """Show in one line what is done, and if the service is away."""
    counts: dict[str, str] = {}
    with console.status("") as shown:

        def progress(what: str, done: int, of: int) -> None:
            counts[what] = f"{what} {done} of {of}"
            shown.update(", ".join(counts.values()))

        yield progress, shown.update


def new_id() -> str:
    """Return the id of a run that begins now; it becomes part of account numbers and idempotency keys."""
    return f"{datetime.now(UTC):%y%m%d%H%M%S}"
