"""The commands `hotline catalogue`: check a catalogue, show what it would change, and put it in force."""

import asyncio
import getpass
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.case.bulk import RolloutPreview, RolloutTerms
from domain.catalogue.catalogue import Catalogue, changes
from domain.catalogue.terms import Edition
from domain.shared.errors import FileError
from hotline.cli.shared import RetryLaterError, checked_catalogue, open_database, reaching_both, show_table
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore, edition_of, in_force_now
from hotline.settings import Settings
from readmodel.base.database import reading
from readmodel.cases.queries import walk_open_cases

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

    from workflows.bulk import CatalogueRolloutWorkflow

app = typer.Typer(name="catalogue", no_args_is_help=True, help="Catalogues of services, departments and clocks.")

MOST_SHOWN = 20
"""Most cases that are named if they keep their terms; of the others the number is shown."""


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="The TOML file.")]) -> None:
    """Check a catalogue, and warn of unknown amounts, and of holidays that are known for less than 90 days.

    Exit code 0: it can be used, also with warnings. 2: errors to correct.
    """
    found = checked_catalogue(file)
    typer.echo(
        f"{file}: {found.name} {found.name_zh}, {len(found.services)} services, {len(found.departments)} departments"
    )


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="The TOML file.")],
    by: Annotated[str, typer.Option(help="Name of the person who puts it in force, for the record.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
) -> None:
    """Put a catalogue in force, for new cases at once and for open ones by a rollout. Repeating it does no harm.

    Exit code 0: done, or nothing to do. 1: not possible now; finished parts stay, run it again. 2: errors to correct.
    """
    from workflows.bulk import ANSWERS

    settings = Settings()
    new = load_catalogue(file)
    store = CatalogueStore(settings.catalogues_dir)
    if not dry_run and not store.entries():
        # Cases would be moved, and the API, which looks elsewhere, would go on taking them in under the old one.
        where = "set HOTLINE_DATA_DIR, or HOTLINE_CATALOGUES_DIR, to what the API runs with"
        raise FileError([f"{settings.catalogues_dir}: no API has ever kept a catalogue here; {where}"])
    with reaching_both("finished work is kept; run the command again", RetryLaterError):
        preview, closed_after = _preview(settings, store, new)
        applied = _is_applied(store, preview.edition)
        if dry_run or (applied and not preview.changed and not preview.unknown):
            typer.echo("nothing was changed" if dry_run else "it is in force for every open case already")
            return
        if not yes and not typer.confirm("Put it in force?"):
            typer.echo("nothing was changed")
            return
        with store.exclusive():
            put = partial(store.put, new, file, by=by or _user_name())
            answers = asyncio.run(_put_in_force(settings, store, put, preview, closed_after))
    counts = ", ".join(f"{answers[each]} {words}" for each, (_, words) in ANSWERS.items() if each in answers)
    typer.echo(f"open cases: {counts or 'none'}")
    if answers.get("silent"):
        raise RetryLaterError("some cases did not answer; run the command again")


def _preview(settings: Settings, store: CatalogueStore, new: Catalogue) -> tuple[RolloutPreview, datetime]:
    """Print the differences and their effect; return the preview and the earliest closing time of affected cases."""
    try:
        old = in_force_now(store, settings.catalogue)
    except FileError as error:
        typer.echo(f"what is in force now cannot be compared: {error}", err=True)
        old = new
    edition, at = edition_of(new), datetime.now(UTC)
    typer.echo(f"{edition.name} {edition.name_zh} ({edition.digest})")
    for line in changes(old, new) or ["no figure differs from what is in force"]:
        typer.echo(f"  {line}")
    closed_after = at - timedelta(seconds=max(each.reopen_seconds for each in (old, new)))
    preview = RolloutPreview(RolloutTerms(new), edition, at)
    with open_database(read_only=True) as database, reading(database) as connection:
        for case in walk_open_cases(connection, closed_after):
            preview.add(case)
    _show(preview)
    return preview, closed_after


def _show(preview: RolloutPreview) -> None:
    typer.echo(
        f"open cases: {preview.changed} change, {preview.same} stay the same, {len(preview.kept)} keep their terms"
    )
    if preview.unknown:
        typer.echo(f"  {preview.unknown} cannot be asked before the reconciler has written their events")
    rows: list[tuple[str, ...]] = []
    for (service, clock), effect in sorted(preview.effects.items()):
        due = " to ".join(f"{each:%m-%d %H:%M}" for each in (effect.first_due, effect.last_due) if each)
        widest = (str(each).split(".")[0] if each else "" for each in (effect.earlier, effect.later))
        reason = ", ".join(sorted(effect.why))
        rows.append((service, clock, str(effect.cases), reason, *widest, due, str(effect.past or "")))
    if rows:
        show_table(("service", "clock", "cases", "why", "earlier by", "later by", "due (UTC)", "up at once"), rows)
    for number, lacking in preview.kept[:MOST_SHOWN]:
        typer.echo(f"  {number} keeps its terms: the catalogue has no {lacking}")
    if len(preview.kept) > MOST_SHOWN:
        typer.echo(f"  and {len(preview.kept) - MOST_SHOWN} more")


def _is_applied(store: CatalogueStore, edition: Edition) -> bool:
    last = store.last()
    return last is not None and last.by is not None and last.edition == edition


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


async def _put_in_force(
    settings: Settings,
    store: CatalogueStore,
    put: Callable[[datetime], object],
    preview: RolloutPreview,
    closed_after: datetime,
) -> dict[str, int]:
    """Put the catalogue in force for intake, then for every open case. Return the number of cases by their answer."""
    from hotline.installation import connect_to_own
    from workflows.bulk import RolloutStart
    from workflows.clients.bulk import cancel_rollout, start_rollout

    client, edition = await connect_to_own(settings), preview.edition
    if not _is_applied(store, edition):
        put(datetime.now(UTC))
        typer.echo("in force for new cases")
    # From now on none of them begins a page any more.
    for other in {entry.edition for entry in store.entries()} - {edition}:
        if await cancel_rollout(client, settings.task_queue, other):
            typer.echo(f"the rollout of {other.name} ({other.digest}) was stopped")
    # A registration is in SQL within this: it asks Temporal three times at most, and waits for SQL, for the turn of a
    # day and for crowded workers; if its API dies, the reconciler's second comparison writes it.
    within = 3 * settings.update_timeout_seconds + settings.sql_wait_seconds + 2 * settings.reconcile_seconds + 10
    start = RolloutStart(edition=edition, closed_after=closed_after, settle_seconds=within, serial=len(store.entries()))
    handle = await start_rollout(client, settings.task_queue, start)
    return await _await_round(handle, preview.changed + preview.same + preview.unknown)


async def _await_round(
    handle: "WorkflowHandle[CatalogueRolloutWorkflow, dict[str, int]]", cases: int
) -> dict[str, int]:
    """Show the progress of the rollout until it has ended; it does not depend on this command."""
    from rich.progress import Progress
    from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
    from temporalio.service import RPCError

    from activities.sealing.stamps import UndecidedError
    from workflows.bulk import CatalogueRolloutWorkflow

    result = asyncio.ensure_future(handle.result())
    with Progress() as progress:
        task = progress.add_task("open cases", total=cases or None)
        while not result.done():
            await asyncio.wait({result}, timeout=1)
            # While no worker of the service answers, there is no progress to show.
            with suppress(RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError, UndecidedError):
                at = await handle.query(CatalogueRolloutWorkflow.progress, rpc_timeout=timedelta(seconds=2))
                stage = "registrations under way" if at.second_pass else f"up to {at.after or '-'}"
                progress.update(task, description=stage, completed=sum(at.counts.values()))
    return await result
