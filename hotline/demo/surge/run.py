"""One run of a surge: prepare, play, check over HTTP, report."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from hotline.demo.bars import bars
from hotline.demo.client import Hotline
from hotline.demo.people import Staff
from hotline.demo.report import Places
from hotline.demo.run import DemoOptions, journal_of, keys_of, offers_of, require_demo_catalogue
from hotline.demo.surge.course import Session
from hotline.demo.surge.incident import Tide
from hotline.demo.surge.plan import Surge, plan_surge
from hotline.demo.surge.play import PlayContext, play
from hotline.demo.surge.report import report
from hotline.demo.surge.verify import verify_patiently

FOLDER = "surge"
"""Its journals, beside those of days."""
QUIET_OF_DAY = 0.1
"""The time between two waves, as a share of the day."""


async def perform(options: DemoOptions, console: Console) -> bool:
    """Play a surge and check it; return True if nothing was lost and nothing was sent twice.

    Raises:
        Unreachable: the service was away for longer than the deadline.
        Rejected: the service refuses a key, or something that the play needs.
        ValueError: there is nothing to be played, or no such run.
    """
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, districts = await offers_of(hotline)
        require_demo_catalogue(offers, options.url)
        surge = plan_surge(options.cases, options.seed, offers, districts)
        journal = journal_of(replace(options, folder=options.folder / FOLDER))
        session = Session(hotline, Staff({offer.department for offer in offers}), journal)
        console.print(_announcement(session, surge, options), soft_wrap=True)
        if not options.verify_only:
            hotline.keys = await keys_of(options, session.staff)
            await _play(session, surge, options, console)
        tide = Tide(session, surge, lambda _: None)
        with console.status("checking every case over HTTP"):
            verdict = await verify_patiently(hotline, surge, tide, journal, _log(options), options.deadline)
        report(console, surge, verdict, hotline.traffic, Places(options.url))
    if not verdict.wrong:
        journal.finish()
    return not verdict.wrong


async def _play(session: Session, surge: Surge, options: DemoOptions, console: Console) -> None:
    with bars(console) as (progress, tell):
        session.hotline.tell = tell
        context = PlayContext(
            session=session,
            surge=surge,
            quiet=options.day_seconds * QUIET_OF_DAY,
            concurrency=options.concurrency,
            say=lambda what: console.print(f"  {what}", highlight=False, soft_wrap=True),
            progress=progress,
        )
        await play(context)


def _log(options: DemoOptions) -> Path | None:
    return options.message_log if options.message_log and options.message_log.exists() else None


def _announcement(session: Session, surge: Surge, options: DemoOptions) -> str:
    known = len(session.journal.numbers)
    going_on = f", of which an earlier run has registered {known}" if known else ""
    return (
        f"[bold]run {session.journal.run}[/bold] (seed {session.journal.seed}): a salt tide (咸潮) of "
        f"{len(surge.calls)} calls{going_on}, about {', '.join(surge.services)} from {', '.join(surge.districts)}, at "
        f"{options.url}; the run is kept in {options.folder / FOLDER}"
    )
