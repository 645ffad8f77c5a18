"""One run of the demo: prepare, play, check over HTTP, report."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from domain.shared.actors import Role
from domain.shared.operator_errors import OperatorError
from hotline.demo.bars import bars
from hotline.demo.client import Hotline, Json
from hotline.demo.day import Call, District, incident_of, plan_day
from hotline.demo.journal import Journal
from hotline.demo.month.judge import Judging
from hotline.demo.people import Person, Staff
from hotline.demo.play import PlayContext, play
from hotline.demo.report import Places, report
from hotline.demo.steps import Offer
from hotline.demo.verify import verify
from hotline.files.atomic import write_private

_MINUTE = 60


@dataclass(frozen=True)
class DemoOptions:
    """Options of one run of the demo.

    `folder` is the demo's own, for journals and keys. `make_key` gives a person a key of the service; without it
    everybody acts with the administrator's. `day_seconds` is how long the day lasts, `deadline` how long the service
    may be away, both in seconds. `run` names an earlier run; None goes on with an unfinished one, or begins one.
    `message_log` is the file of all messages that were sent, where this machine has it.
    """

    url: str
    admin_key: str
    folder: Path
    cases: int
    seed: int
    concurrency: int
    day_seconds: float
    deadline: float
    run: str | None = None
    verify_only: bool = False
    make_key: Callable[[Person], str] | None = None
    message_log: Path | None = None


Perform = Callable[[DemoOptions, Console], Awaitable[bool]]
"""Plays the demo and checks it; returns True if every case is as planned."""


async def perform(options: DemoOptions, console: Console) -> bool:
    """Play a day and check it; return True if every case is as planned.

    Raises:
        Unreachable: the service was away for longer than the deadline.
        Rejected: the service refuses the administrator's key.
        ValueError: there is nothing to be played, or no such run.
    """
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, districts = await offers_of(hotline)
        require_demo_catalogue(offers, options.url)
        calls = plan_day(options.cases, options.seed, offers, districts)
        staff = Staff({offer.department for offer in offers})
        journal = journal_of(options)
        console.print(_announcement(journal, calls, options), soft_wrap=True)
        problems: dict[int, str] = {}
        if not options.verify_only:
            hotline.keys = await keys_of(options, staff)
            day = partial(PlayContext, hotline, staff, journal, incident_of(offers, districts))
            problems = await _play(day, options, calls, console)
        with console.status("checking every case over HTTP"):
            verdict = await verify(hotline, calls, journal, options.deadline)
        for index, problem in problems.items():
            verdict.differences.setdefault(index, []).append(problem)
        report(console, calls, verdict, hotline.traffic, Places(options.url), staff)
    if verdict.good:
        journal.finish()
    return verdict.good


async def argue_month(month: str, options: DemoOptions, console: Console) -> bool:
    """Have people argue about a past month over HTTP; return True. It is final by itself. Raises as `perform`."""
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, _ = await offers_of(hotline)
        staff = Staff({offer.department for offer in offers})
        hotline.keys = await keys_of(options, staff)
        await Judging(hotline, staff, month).argue()
    where = Places(options.url).at(f"/temporal/namespaces/default/workflows/assessment-{month}")
    console.print(f"{month} is judged (月度考核), and final within two minutes: {where}", soft_wrap=True)
    return True


async def _play(
    day: Callable[..., PlayContext], options: DemoOptions, calls: Sequence[Call], console: Console
) -> dict[int, str]:
    """Play and show the progress. Return what the service refused, by the index of the call."""
    steps = sum(len(call.plan.steps) + 1 for call in calls)
    done = Counter[str]()
    with bars(console) as (progress, tell):

        def advance(what: str, of: int) -> None:
            done[what] += 1
            progress(what, done[what], of)

        context = day(
            seconds=options.day_seconds,
            concurrency=options.concurrency,
            step_done=partial(advance, "steps", steps),
            call_done=partial(advance, "cases", len(calls)),
        )
        context.hotline.tell = tell
        await play(context, calls)
    return context.problems


def journal_of(options: DemoOptions) -> Journal:
    """Return the run that is asked for, else the last unfinished one, else a new one."""
    if options.run is not None:
        return Journal.named(options.folder, options.run, seed=options.seed, cases=options.cases)
    latest = Journal.latest(options.folder, seed=options.seed, cases=options.cases)
    if options.verify_only:
        if latest is None:
            raise ValueError(f"no run of {options.cases} cases with seed {options.seed} in {options.folder}")
        return latest
    if latest is None or latest.finished:
        return Journal.begin(options.folder, seed=options.seed, cases=options.cases)
    return latest


def _announcement(journal: Journal, calls: Sequence[Call], options: DemoOptions) -> str:
    known = len(journal.numbers)
    going_on = f", of which an earlier run has registered {known}" if known else ""
    services = len({call.offer.code for call in calls})
    districts = len({call.intake["location"]["district"] for call in calls})
    return (
        f"[bold]run {journal.run}[/bold] (seed {journal.seed}): {len(calls)} cases{going_on}, {services} services, "
        f"{districts} districts, at {options.url}; the run is kept in {options.folder}"
    )


async def keys_of(options: DemoOptions, staff: Staff) -> dict[str, str]:
    """Return a key for each of the staff, made once and kept for later runs in a private file."""
    if options.make_key is None:
        return {}
    path = options.folder / "keys.json"
    keys: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [person for person in staff.people if person.name not in keys and person.role is not Role.CALLER]
    for person in missing:
        keys[person.name] = await asyncio.to_thread(options.make_key, person)
    if missing:
        write_private(path, json.dumps(keys, ensure_ascii=False))
    return keys


async def offers_of(hotline: Hotline) -> tuple[list[Offer], list[District]]:
    """Return the services and districts of the catalogue in force. Raises Rejected, Unreachable."""
    catalogue = await hotline.get("/services")
    districts = [District(item["code"], item["name_zh"]) for item in catalogue["districts"]]
    findings = frozenset(item["code"] for item in catalogue["findings"])
    return [_offer(item, findings) for item in catalogue["items"]], districts


def require_demo_catalogue(offers: Sequence[Offer], url: str) -> None:
    """Raise OperatorError if every promise takes a minute or more: such a service has real cases."""
    if min((seconds for offer in offers for seconds in offer.budgets.values()), default=_MINUTE) >= _MINUTE:
        raise OperatorError(
            f"the service at {url} has a catalogue of real promises, and the demo would register its cases among real"
            " ones: play on a service with hotline/catalogues/demo.toml (a salt tide: surge.toml), or with --up"
        )


def _offer(item: Json, findings: frozenset[str]) -> Offer:
    return Offer(
        code=item["service_code"],
        name_zh=item["name_zh"],
        group=item["group"],
        department=item["department"],
        answer_needs_follow_up=item["answer_needs_follow_up"],
        budgets={clock["name"]: clock["budget_seconds"] for clock in item["clocks"]},
        needs_approval=item["needs_approval"],
        priority=item["priority"],
        credited=frozenset(credit["clock"] for credit in item["credits"] if credit["clock"] and credit["amount"]),
        findings=findings,
    )
