"""The command `hotline keys`: keys that seal what Temporal stores, callers' links, and sessions."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.shared.errors import OperatorError
from hotline.cli.shared import minute, reaching_both, reading_sql, show_table
from hotline.keys import ring_of
from hotline.settings import Settings

app = typer.Typer()
keys = typer.Typer(no_args_is_help=True, help="Keys that seal what Temporal stores, callers' links, and sessions.")
app.add_typer(keys, name="keys")

AT_ONCE = 16
"""Histories whose beginnings are asked for at the same time."""


@keys.command("list")
def list_() -> None:
    """Show every key, the newest last; secrets are not shown."""
    show_table(("id", "created (UTC)"), ((key.id, minute(key.created_at)) for key in ring_of(Settings()).list()))


@keys.command("rotate")
def rotate() -> None:
    """Add a key, which seals once every process has it. Older ones stay, to open what they sealed."""
    key = ring_of(Settings()).rotate()
    typer.echo(f"key {key.id} seals once every process has it: merge it into the file of each other machine")


@keys.command("merge")
def merge(file: Annotated[Path, typer.Argument(help="File of keys, of another machine or a backup.")]) -> None:
    """Add the keys of a file that are missing, older ones before newer ones."""
    added = ring_of(Settings()).merge(file)
    typer.echo(f"added: {', '.join(key.id for key in added)}" if added else "no key was missing")


@keys.command("retire")
def retire(
    before: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Date (UTC) before which they sealed last.")],
) -> None:
    """Remove keys that seal no longer. Links, sessions and ended workflows that they sealed are not opened any more."""
    from readmodel.processes import LIVE, last_sealed

    settings = Settings()
    with reading_sql() as connection:
        last = last_sealed(connection)
    if not (found := ring_of(settings).replaced(before.replace(tzinfo=UTC), last)):
        typer.echo(f"no key sealed last before {before:%Y-%m-%d}; the newest one stays")
        return
    with reaching_both("not retired"):
        asyncio.run(_require_unneeded(settings, found, max(found.values()) + LIVE))
    ring_of(settings).retire(found)
    typer.echo(f"retired: {', '.join(found)}; retire them on each other machine too")


async def _require_unneeded(settings: Settings, ids: Iterable[str], until: datetime) -> None:
    """Raise OperatorError if runs that are not over began before an instant, or were reset from such."""
    from activities.case_updates import for_each
    from activities.run_status import NOT_OVER
    from hotline.installation import connect_to_own
    from hotline.recovery.histories import first_event_at
    from workflows.service import InstallationWorkflow

    # That of the installation has nothing that is sealed.
    of_runs = f'{NOT_OVER} AND WorkflowType != "{InstallationWorkflow.__name__}"'
    query = f'StartTime < "{until.isoformat()}" AND {of_runs}'
    client = await connect_to_own(settings)
    if count := (await client.count_workflows(query)).count:
        raise OperatorError(
            f"not retired: {count} runs of workflows began before {minute(until)} UTC and are not over, so they"
            f" need {', '.join(ids)}. Wait for their end, or name an earlier date. They are listed by `temporal"
            f" workflow list --query '{query}'`; `hotline rebuild workflows` makes a new run of a case that was"
            " terminated."
        )
    others = {run.run_id: run.id async for run in client.list_workflows(of_runs)}
    begun = await for_each(others, lambda run: first_event_at(client, others[run], run), AT_ONCE)
    if were_reset := [each for each, at in zip(others.values(), begun, strict=True) if at and at < until]:
        raise OperatorError(
            f"not retired: {len(were_reset)} workflows were reset, and the histories of their runs begin before"
            f" {minute(until)} UTC, so they need {', '.join(ids)}: {', '.join(were_reset[:10])}. Wait for their"
            " end, name an earlier date, or terminate them; then `hotline rebuild workflows` makes new runs."
        )
