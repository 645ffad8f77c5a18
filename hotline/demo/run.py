"""One run of the demo: prepare, play, check over HTTP, report."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from hotline.demo.client import Hotline, Rejected, Unreachable
from hotline.demo.day import Day
from hotline.demo.judge import Judging
from hotline.demo.offers import offers_of, require_demo_catalogue
from hotline.demo.people import Person, Staff
from hotline.demo.play import Player, Progress, Show
from hotline.demo.report import report
from hotline.demo.tide import Tide
from hotline.demo.verify import verify


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
    concurrency: int
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
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, districts = await offers_of(hotline)
        require_demo_catalogue(offers, options.url)
        run, plan = new_id(), (options.cases, options.seed, offers, districts)
        show: Show = Tide(*plan, options.message_log) if options.surge else Day(*plan)
        console.print(f"[bold]run {run}[/bold] (seed {options.seed}): {show.title}, at {options.url}", soft_wrap=True)
        staff = Staff({offer.department for offer in offers})
        hotline.keys = await _keys(options, staff)
        player = Player(hotline, staff, run, options.concurrency, options.day_seconds, show.thinking)
        await _play(show, player, console)
        with console.status("checking every case over HTTP"):
            verdict = await verify(player, show, options.deadline)
        report(console, show, verdict, hotline.traffic, options.url)
    return verdict.good


async def argue_month(month: str, options: DemoOptions, console: Console) -> bool:
    """Have people argue about a past month over HTTP; return True. It is final by itself. Raises as `perform`."""
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, _ = await offers_of(hotline)
        staff = Staff({offer.department for offer in offers})
        hotline.keys = await _keys(options, staff)
        await Judging(hotline, staff, month).argue()
    where = f"{options.url}/temporal/namespaces/default/workflows/assessment-{month}"
    console.print(f"{month} is judged (月度考核), and final within two minutes: {where}", soft_wrap=True)
    return True


async def _play(show: Show, player: Player, console: Console) -> None:
    """Play and show the progress. Raises Rejected, Unreachable."""
    with _bars(console) as (player.progress, player.hotline.tell):
        player.say = lambda what: console.print(f"  {what}", highlight=False, soft_wrap=True)
        try:
            await player.play(show)
        except* (Rejected, Unreachable) as group:
            # One reason stops the play; the others only say it again.
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None


@contextmanager
def _bars(console: Console) -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """Show a progress bar for each counted item; the last one tells if the service is away."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(bar_width=None), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=console) as shown:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what)
            shown.update(tasks[what], completed=done, total=of, description=what)

        def tell(what: str) -> None:
            for last in [*tasks.values()][-1:]:
                shown.update(last, description=what)

        yield progress, tell


def new_id() -> str:
    """Return the id of a run that begins now; it becomes part of account numbers and idempotency keys."""
    return f"{datetime.now(UTC):%y%m%d%H%M%S}"


async def _keys(options: DemoOptions, staff: Staff) -> dict[str, str]:
    return await asyncio.to_thread(options.make_keys, staff.people) if options.make_keys else {}
