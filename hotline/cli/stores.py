"""The commands that prepare SQL and Temporal: `hotline migrate`, `hotline rebuild` and `hotline temporal-setup`."""

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from domain.shared.operator_errors import OperatorError
from hotline.cli.shared import migrated_database
from hotline.settings import Settings

app = typer.Typer()


@app.command()
def migrate() -> None:
    """Bring the tables of the read model up to date. Repeating it does no harm."""
    from sqlalchemy.exc import DBAPIError

    from readmodel.migrate import migrate as apply

    try:
        apply(Settings().database_url)
    except DBAPIError as error:
        raise OperatorError(f"the database does not take the migrations: {error.orig}") from error
    typer.echo("the read model is up to date")


@app.command()
def rebuild() -> None:
    """Rebuild the read model from Temporal: write missing and older rows, send no notification."""
    from rich.progress import Progress
    from sqlalchemy.exc import DBAPIError
    from temporalio.service import RPCError

    from hotline.rebuild import Rebuilt
    from hotline.rebuild import rebuild as apply
    from hotline.temporal.connection import connect

    async def rebuilt() -> Rebuilt:
        with Progress() as progress, migrated_database() as database:
            task = progress.add_task("cases", total=None)
            client = await connect()
            return await apply(client, database, lambda done, total: progress.update(task, completed=done, total=total))

    try:
        found = asyncio.run(rebuilt())
    except (RuntimeError, RPCError, DBAPIError) as error:
        raise OperatorError(f"not rebuilt: {error.orig if isinstance(error, DBAPIError) else error}") from error
    typer.echo(f"{found.cases} cases are in the read model, from {found.batches} publications")
    typer.echo(f"{found.incidents} incidents are in the read model")
    if found.lost:
        lost = ", ".join(found.lost)
        raise OperatorError(f"Temporal has deleted the beginning of these cases, restore SQL from a backup: {lost}")


@app.command("temporal-setup")
def temporal_setup(
    retention_days: Annotated[int, typer.Option(min=1, help="Days a new namespace keeps ended histories.")] = 30,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Temporal to answer.")] = 10.0,
) -> None:
    """Register namespace and search attributes on the cluster of TEMPORAL_ADDRESS. Repeating it does no harm."""
    from hotline.temporal.connection import connect
    from hotline.temporal.setup import prepare

    async def prepared() -> str:
        return await prepare(await connect(wait_seconds=wait), timedelta(days=retention_days))

    try:
        typer.echo(asyncio.run(prepared()))
    except (RuntimeError, ValueError) as error:
        raise OperatorError(str(error)) from error
