"""One performance of the demo: prepare, play, check over HTTP, report."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hotline.demo.client import Hotline, Json
from hotline.demo.day import Call, District, plan_day
from hotline.demo.journal import Journal
from hotline.demo.people import Cast, Person
from hotline.demo.play import Stage, play
from hotline.demo.report import Places, report
from hotline.demo.steps import Offer
from hotline.demo.verify import verify

OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Wishes:
    """Arguments of one play of the demo.

    `folder` is the demo's own, for journals and keys. `make_key` gives a person a key of the service; without it
    everybody acts with the administrator's. `day_seconds` is how long the day lasts, `deadline` how long the service
    may be away, both in seconds. `ui_url` is where the workflows of this service can be seen, if that is known.
    `run` names an earlier run; None goes on with an unfinished one, or begins one. `message_log` is the file of all
    messages that were sent, where this machine has it.
    """

    url: str
    admin_key: str
    folder: Path
    cases: int
    seed: int
    concurrency: int
    day_seconds: float
    deadline: float
    ui_url: str | None = None
    run: str | None = None
    verify_only: bool = False
    make_key: Callable[[Person], str] | None = None
    message_log: Path | None = None


async def perform(wishes: Wishes, console: Console) -> bool:
    """Play a day and check it; answer whether every case is as planned.

    Raises:
        Unreachable: the service was away for longer than the deadline.
        Rejected: the service refuses the administrator's key.
        ValueError: there is nothing to be played, or no such run.
    """
    async with Hotline.at(wishes.url, wishes.admin_key, wishes.deadline) as hotline:
        catalogue = await hotline.get("/services")
        offers = [offer_of(item) for item in catalogue["items"]]
        districts = [District(item["code"], item["name_zh"]) for item in catalogue["districts"]]
        calls = plan_day(wishes.cases, wishes.seed, offers, districts)
        cast = Cast({offer.department for offer in offers})
        journal = journal_of(wishes)
        console.print(_announcement(journal, calls, wishes), soft_wrap=True)
        problems: dict[int, str] = {}
        if not wishes.verify_only:
            hotline.keys = keys_of(wishes, cast)
            problems = await _play(hotline, Scenery(cast, journal, wishes), calls, console)
        with console.status("checking every case over HTTP"):
            verdict = await verify(hotline, calls, journal, wishes.deadline)
        for index, problem in problems.items():
            verdict.differences.setdefault(index, []).append(problem)
        report(console, calls, verdict, hotline.traffic, Places(wishes.url, wishes.ui_url))
    if verdict.good:
        journal.finish()
    return verdict.good


@dataclass(frozen=True)
class Scenery:
    """Values that stay the same while the day is played."""

    cast: Cast
    journal: Journal
    wishes: Wishes


async def _play(hotline: Hotline, scenery: Scenery, calls: Sequence[Call], console: Console) -> dict[int, str]:
    """Play and show the progress. Return what the service refused, by the index of the call."""
    steps = sum(len(call.plan.steps) + 1 for call in calls)
    with _progress(console, steps, len(calls)) as (step_done, call_done, tell):
        hotline.tell = tell
        stage = Stage(
            hotline=hotline,
            cast=scenery.cast,
            journal=scenery.journal,
            seconds=scenery.wishes.day_seconds,
            concurrency=scenery.wishes.concurrency,
            step_done=step_done,
            call_done=call_done,
        )
        await play(stage, calls)
    return stage.problems


@contextmanager
def _progress(
    console: Console, steps: int, calls: int
) -> Iterator[tuple[Callable[[], None], Callable[[], None], Callable[[str], None]]]:
    columns = (TextColumn("{task.description:<22}"), BarColumn(bar_width=None), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        all_steps = progress.add_task("steps", total=steps)
        all_calls = progress.add_task("cases", total=calls)

        def step_done() -> None:
            progress.update(all_steps, advance=1, description="steps")

        def call_done() -> None:
            progress.advance(all_calls)

        def tell(what: str) -> None:
            progress.update(all_steps, description=what)

        yield step_done, call_done, tell


def journal_of(wishes: Wishes) -> Journal:
    """Return the run that is asked for, else the last unfinished one, else a new one."""
    if wishes.run is not None:
        return Journal.named(wishes.folder, wishes.run, seed=wishes.seed, cases=wishes.cases)
    latest = Journal.latest(wishes.folder, seed=wishes.seed, cases=wishes.cases)
    if wishes.verify_only:
        if latest is None:
            raise ValueError(f"no run of {wishes.cases} cases with seed {wishes.seed} in {wishes.folder}")
        return latest
    if latest is None or latest.finished:
        return Journal.begin(wishes.folder, seed=wishes.seed, cases=wishes.cases)
    return latest


def _announcement(journal: Journal, calls: Sequence[Call], wishes: Wishes) -> str:
    known = len(journal.numbers)
    going_on = f", of which an earlier run has registered {known}" if known else ""
    services = len({call.offer.code for call in calls})
    districts = len({call.intake["location"]["district"] for call in calls})
    return (
        f"[bold]run {journal.run}[/bold] (seed {journal.seed}): {len(calls)} cases{going_on}, {services} services, "
        f"{districts} districts, at {wishes.url}; the run is kept in {wishes.folder}"
    )


def keys_of(wishes: Wishes, cast: Cast) -> dict[str, str]:
    """Return a key for everybody, made once and kept for later runs in a private file."""
    if wishes.make_key is None:
        return {}
    path = wishes.folder / "keys.json"
    keys: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [person for person in cast.people if person.name not in keys]
    keys |= {person.name: wishes.make_key(person) for person in missing}
    if missing:
        aside = path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
            json.dump(keys, file, ensure_ascii=False)
        aside.replace(path)
    return keys


def offer_of(item: Json) -> Offer:
    """Return a service from an item of `GET /v1/services`."""
    return Offer(
        code=item["service_code"],
        name_zh=item["name_zh"],
        group=item["group"],
        department=item["department"],
        answer_needs_follow_up=item["answer_needs_follow_up"],
        budgets={clock["name"]: clock["budget_seconds"] for clock in item["clocks"]},
        needs_approval=item["needs_approval"],
    )
