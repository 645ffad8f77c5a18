"""The commands that prepare SQL and Temporal: `hotline migrate`, `hotline rebuild` and `hotline temporal-setup`."""

import asyncio
import sqlite3
from datetime import timedelta
from typing import Annotated

import typer

from domain.shared.operator_errors import OperatorError
from hotline.cli.shared import migrated_database
from hotline.settings import Settings

RETENTION_DAYS = 30
"""Days that Temporal keeps ended histories, unless the operator names another number or has set a larger one."""
RETENTION_HELP = f"Days that ended histories are kept. Without it, less than {RETENTION_DAYS} is raised to that."

app = typer.Typer()


@app.command()
def migrate() -> None:
    """Bring the tables of the read model up to date. Repeating it does no harm."""
    from sqlalchemy.exc import DBAPIError

    try:
        with migrated_database():
            typer.echo("the read model is up to date")
    except DBAPIError as error:
        raise OperatorError(f"the database does not take the migrations: {error.orig}") from error


@app.command()
def rebuild() -> None:
    """Rebuild the read model from Temporal: write rows that SQL lacks or has in an older version."""
    from rich.progress import Progress
    from sqlalchemy.exc import DBAPIError
    from temporalio.service import RPCError

    from hotline.rebuild import Rebuilt
    from hotline.rebuild import rebuild as apply
    from hotline.temporal.connection import connect
    from hotline.temporal.setup import retention_of
    from readmodel.case_queries import has_cases
    from readmodel.database import reading

    async def rebuilt() -> tuple[Rebuilt, timedelta | None]:
        with Progress() as progress, migrated_database() as database:
            task = progress.add_task("cases", total=None)
            client = await connect(Settings())
            with reading(database) as sql:
                missing = None if has_cases(sql) else await retention_of(client)
            done = await apply(client, database, lambda done, of: progress.update(task, completed=done, total=of))
            return done, missing

    try:
        found, missing = asyncio.run(rebuilt())
    except (RuntimeError, RPCError, DBAPIError) as error:
        raise OperatorError(f"not rebuilt: {error.orig if isinstance(error, DBAPIError) else error}") from error
    typer.echo(f"{found.cases} cases are in the read model, from {found.batches} publications")
    typer.echo(f"{found.incidents} incidents are in the read model")
    typer.echo(f"kept: {found.kept} cases that Temporal no longer has, {found.kept_open} of them open")
    if missing:
        typer.echo(f"the read model was empty: cases that ended over {missing.days} days ago are in backups alone")
    if found.reset:
        typer.echo(f"left as SQL has them, as their workflows were reset: {', '.join(found.reset)}", err=True)
    if found.unreadable:
        typer.echo(f"left, as another release has written their histories: {', '.join(found.unreadable)}", err=True)
    if found.foreign:
        typer.echo(f"left, as the service has not started them: {', '.join(found.foreign)}", err=True)
    if found.unknown_key:
        file = Settings().signing_keys_file
        typer.echo(f"left, as {file} has not the keys that signed them: {', '.join(found.unknown_key)}", err=True)
    if found.lost:
        lost = ", ".join(found.lost)
        raise OperatorError(f"Temporal has deleted the beginning of these cases, restore SQL from a backup: {lost}")


@app.command("temporal-setup")
def temporal_setup(
    retention_days: Annotated[int | None, typer.Option(min=1, help=RETENTION_HELP)] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Temporal to answer.")] = 10.0,
) -> None:
    """Set up namespace, retention and search attributes on the cluster of TEMPORAL_ADDRESS. It may be repeated."""
    from hotline.local.temporal_indexes import drop_unused_indexes
    from hotline.temporal.connection import connect
    from hotline.temporal.setup import prepare

    async def prepared() -> str:
        client = await connect(Settings(), wait_seconds=wait)
        days = timedelta(days=retention_days or RETENTION_DAYS)
        return await prepare(client, days, shorten=retention_days is not None)

    try:
        typer.echo(asyncio.run(prepared()))
        if file := Settings().temporal_file:
            typer.echo(f"{file}: indexes dropped: {drop_unused_indexes(file)}")
    except (RuntimeError, ValueError, sqlite3.Error) as error:
        raise OperatorError(str(error)) from error
