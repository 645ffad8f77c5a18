"""One run of the demo: prepare, play, check over HTTP, report."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from domain.shared.actors import Role
from hotline.demo.client import Hotline, Json, Rejected, Unreachable
from hotline.demo.day import DayShow
from hotline.demo.month.judge import Judging
from hotline.demo.offers import offers_of, require_demo_catalogue
from hotline.demo.people import Person, Staff
from hotline.demo.play import Player, Progress, Run
from hotline.demo.report import report
from hotline.demo.show import Places, Show
from hotline.demo.surge.show import SurgeShow
from hotline.demo.verify import verify
from hotline.files.atomic import write_private

LAST_RUN = "last-run.json"


@dataclass(frozen=True)
class DemoOptions:
    """Options of one run of the demo: a day, or a surge.

    `folder` is the demo's own, for keys and the last run. `make_key` gives a person a key of the service; without it
    everybody acts with the administrator's. `day_seconds` is how long the day lasts, `deadline` how long the service
    may be away, both in seconds. `message_log` is the file of all messages that were sent, where this machine has it.
    """

    url: str
    admin_key: str
    folder: Path
    cases: int
    seed: int
    concurrency: int
    day_seconds: float
    deadline: float
    surge: bool = False
    verify_only: bool = False
    make_key: Callable[[Person], str] | None = None
    message_log: Path | None = None

    @property
    def kept(self) -> Json:
        """Return what tells the calls of one run from those of another."""
        return {"surge": self.surge, "seed": self.seed, "cases": self.cases}


Perform = Callable[[DemoOptions, Console], Awaitable[bool]]
"""Plays and checks; returns True if every case is as planned."""


async def perform(options: DemoOptions, console: Console) -> bool:
    """Play a day or a surge and check it; return True if every case is as planned.

    Raises:
        Unreachable: the service was away for longer than the deadline.
        Rejected: the service refuses the administrator's key, or something that a surge needs.
        ValueError: there is nothing to be played, or no run to be checked.
    """
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, districts = await offers_of(hotline)
        require_demo_catalogue(offers, options.url)
        show: Show
        if options.surge:
            show = SurgeShow(options.cases, options.seed, offers, districts, options.message_log)
        else:
            show = DayShow(options.cases, options.seed, offers, districts)
        run = _last_run(options) if options.verify_only else Run(new_id())
        console.print(
            f"[bold]run {run.id}[/bold] (seed {options.seed}): {show.title}, at {options.url}", soft_wrap=True
        )
        staff = Staff({offer.department for offer in offers})
        player = Player(hotline, staff, run, options.concurrency, options.day_seconds)
        if not options.verify_only:
            hotline.keys = await _keys(options, staff)
            await _play(show, player, console)
            _keep(options, run)
        with console.status("checking every case over HTTP"):
            verdict = await verify(player, show, options.deadline)
        report(console, show, verdict, hotline.traffic, Places(options.url))
    return verdict.good


async def argue_month(month: str, options: DemoOptions, console: Console) -> bool:
    """Have people argue about a past month over HTTP; return True. It is final by itself. Raises as `perform`."""
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, _ = await offers_of(hotline)
        staff = Staff({offer.department for offer in offers})
        hotline.keys = await _keys(options, staff)
        await Judging(hotline, staff, month).argue()
    where = Places(options.url).at(f"/temporal/namespaces/default/workflows/assessment-{month}")
    console.print(f"{month} is judged (月度考核), and final within two minutes: {where}", soft_wrap=True)
    return True


async def _play(show: Show, player: Player, console: Console) -> None:
    """Play and show the progress."""
    with _bars(console) as (player.progress, player.hotline.tell):
        player.say = lambda what: console.print(f"  {what}", highlight=False, soft_wrap=True)
        try:
            await show.play(player)
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


def _keep(options: DemoOptions, run: Run) -> None:
    """Keep the run for later checks, until the next one."""
    _write(options.folder / LAST_RUN, options.kept | {"run": run.id, "incident": run.incident})


def _last_run(options: DemoOptions) -> Run:
    """Return the last run. Raises ValueError if there is none of this kind, seed and number of cases."""
    kept = _read(options.folder / LAST_RUN)
    if not options.kept.items() <= kept.items():
        raise ValueError(f"{options.folder} has no run of {options.cases} cases with seed {options.seed}")
    return Run(kept["run"], kept["incident"])


async def _keys(options: DemoOptions, staff: Staff) -> dict[str, str]:
    """Return a key for each of the staff, made once and kept for later runs in a private file."""
    if options.make_key is None:
        return {}
    path = options.folder / "keys.json"
    keys = _read(path)
    missing = [person for person in staff.people if person.name not in keys and person.role is not Role.CALLER]
    for person in missing:
        keys[person.name] = await asyncio.to_thread(options.make_key, person)
    if missing:
        _write(path, keys)
    return keys


def _read(path: Path) -> Json:
    """Return the JSON object of a file, empty if there is no file."""
    found: Json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _write(path: Path, kept: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(kept, ensure_ascii=False))
