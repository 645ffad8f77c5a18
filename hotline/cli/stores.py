"""The commands on SQL and Temporal: `hotline migrate`, `rebuild`, `verify` and `temporal-setup`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from domain.shared.errors import OperatorError
from domain.shared.numbers import NumberError, is_incident, parse_number
from hotline.cli.shared import catalogue_in_force, reaching_both, show_table, tables_up_to_date
from hotline.settings import Settings
from readmodel.base.database import exists, opened, reading
from readmodel.cases.queries import has_cases
from readmodel.projection import DivergedError, NotRegisteredError

if TYPE_CHECKING:
    from temporalio.client import Client

RETENTION_DAYS = 30
"""Days that Temporal keeps ended histories, unless the operator names another number or has set a larger one."""
RETENTION_HELP = f"Days that ended histories are kept. Without it, less than {RETENTION_DAYS} is raised to that."

app = typer.Typer()
rebuilds = typer.Typer(
    name="rebuild", no_args_is_help=True, help="Rebuild what one of the two stores has lost from the other one."
)
app.add_typer(rebuilds)


@app.command()
def migrate(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Temporal, if its address is known.")] = 0.0,
) -> None:
    """Bring the tables of the read model up to date. Repeating it does no harm."""
    from temporalio.service import RPCError

    from hotline.installation import adopt, refuse_foreign
    from hotline.temporal.connection import connect, known_address

    async def adopted() -> None:
        await adopt(await connect(settings, lazy=True), settings)

    settings = Settings()
    refuse_foreign(settings, wait)
    try:
        with tables_up_to_date(settings):
            typer.echo("the read model is up to date")
        if known_address(settings):
            asyncio.run(adopted())
    except DBAPIError as error:
        raise OperatorError(f"the database does not take the migrations: {error.orig}") from error
    except RPCError as error:
        raise OperatorError(f"Temporal does not take the id of the installation: {error}") from error


@rebuilds.command("readmodel")
def rebuild_readmodel() -> None:
    """Rebuild the read model from Temporal: write rows that SQL lacks or has in an older version."""
    from rich.progress import Progress

    from activities.recovery.history_errors import ForeignError, UnopenedError, UnreadableError
    from hotline.recovery.rebuild import RebuiltRows
    from hotline.recovery.rebuild import rebuild as apply
    from hotline.temporal.setup import retention_of

    async def rebuilt() -> tuple[RebuiltRows, timedelta | None]:
        async with adopted_stores(Settings()) as (client, database):
            with Progress() as progress:
                task = progress.add_task("cases", total=None)
                with reading(database) as sql:
                    missing = None if has_cases(sql) else await retention_of(client)
                done = await apply(client, database, lambda done, of: progress.update(task, completed=done, total=of))
                return done, missing

    with reaching_both("not rebuilt"):
        found, missing = asyncio.run(rebuilt())
    typer.echo(f"{found.cases} cases are in the read model, from {found.batches} publications")
    typer.echo(f"{found.incidents} incidents are in the read model")
    typer.echo(f"kept: {found.kept} cases that Temporal no longer has, {found.kept_open} of them open")
    if missing:
        typer.echo(f"the read model was empty: cases that ended over {missing.days} days ago are in backups alone")
    reasons = {
        DivergedError: "left as SQL has them, as their workflows were reset",
        UnreadableError: "left, as another release has written their histories",
        ForeignError: "left, as the service has not started them",
        UnopenedError: "left, as this machine has not the keys that sealed them",
    }
    for kind, reason in reasons.items():
        if left := found.left_by(kind):
            typer.echo(f"{reason}: {', '.join(left)}", err=True)
    if lost := found.left_by(NotRegisteredError):
        what = "Temporal has deleted the beginning of these cases, restore SQL from a backup"
        raise OperatorError(f"{what}: {', '.join(lost)}")


@rebuilds.command("workflows")
def rebuild_workflows(
    case: Annotated[str | None, typer.Option(metavar="NUMBER", help="One case or incident; by default all.")] = None,
) -> None:
    """Rebuild lost workflows from SQL: of cases and incidents that were terminated, deleted or reset."""
    from rich.progress import Progress

    from hotline.recovery import rebuild_workflows as recovery
    from workflows.kit.words import CatalogueNames

    number = case and _number(case)

    async def rebuilt() -> recovery.RebuiltWorkflows:
        settings = Settings()
        async with adopted_stores(settings) as (client, database):
            names = lambda: CatalogueNames.of(catalogue_in_force())  # noqa: E731
            rebuild = recovery.WorkflowRebuild(client, database, settings.task_queue, names)
            if number is None:
                with Progress() as progress:
                    task = progress.add_task("workflows", total=None)
                    return await rebuild.all(lambda done, of: progress.update(task, completed=done, total=of))
            try:
                return recovery.RebuiltWorkflows({await rebuild.one(number): 1}, {})
            except recovery.NotRebuiltError as error:
                return recovery.RebuiltWorkflows({}, {number: str(error)})

    with reaching_both("not rebuilt"):
        found = asyncio.run(rebuilt())
    said = {
        recovery.STARTED: "were started",
        recovery.RUNS: "ran already and were left",
        recovery.OVER: "are over and need none",
    }
    typer.echo(f"workflows: {', '.join(f'{found.counts.get(each, 0)} {words}' for each, words in said.items())}")
    if found.failed:
        reasons = "".join(f"\n  {number}: {why}" for number, why in sorted(found.failed.items()))
        raise OperatorError(f"{len(found.failed)} workflows could not be rebuilt:{reasons}")


@app.command()
def verify() -> None:
    """Compare SQL with Temporal, case by case, and print every difference; exit code 1 if there is any."""
    from rich.progress import Progress

    from activities.run_status import UNPAUSE
    from hotline.installation import look
    from hotline.recovery.verify import Verified
    from hotline.recovery.verify import verify as compare
    from hotline.temporal.connection import connect
    from readmodel.migrate import require_tables

    async def verified() -> Verified:
        settings = Settings()
        if not exists(settings.database_url):
            raise OperatorError(f"not compared: there is no database {settings.database_url.partition(':///')[2]}")
        client = await connect(settings)
        stores = await look(client, settings)
        stores.refuse_foreign()
        stores.require_ids()
        require_tables(settings.database_url)
        with opened(settings.database_url, read_only=True) as database, Progress() as progress:
            task = progress.add_task("workflows", total=None)
            return await compare(
                client, database, settings.task_queue, lambda done: progress.update(task, completed=done)
            )

    with reaching_both("not compared"):
        found = asyncio.run(verified())
    typer.echo(f"{found.compared} cases and {found.incidents} open incidents were compared")
    typer.echo(f"not compared: {found.past_retention} ended cases that Temporal no longer has")
    if found.paused:
        typer.echo(f"{len(found.paused)} cases or incidents are paused: {', '.join(found.paused)}. {UNPAUSE}", err=True)
    if found.differences:
        show_table(("number", "what", "SQL", "Temporal"), found.differences)
        typer.echo(f"{len({each.number for each in found.differences})} cases or incidents differ", err=True)
        raise typer.Exit(1)


@asynccontextmanager
async def adopted_stores(settings: Settings) -> AsyncIterator[tuple["Client", Engine]]:
    """Open both stores for a rebuild, which adopts one that has no id. Raises ForeignStoreError before any change."""
    from hotline.installation import adopt, connect_to_own

    client = await connect_to_own(settings)
    with tables_up_to_date(settings) as database:
        await adopt(client, settings)
        yield client, database


def _number(text: str) -> str:
    """Return the number of a case or incident. Raises OperatorError."""
    try:
        return text if is_incident(text) else parse_number(text)
    except NumberError as error:
        raise OperatorError(f"--case {text}: {error}") from error


@app.command("temporal-setup")
def temporal_setup(
    retention_days: Annotated[int | None, typer.Option(min=1, help=RETENTION_HELP)] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Temporal to answer.")] = 10.0,
) -> None:
    """Set up namespace, retention and search attributes on the cluster of TEMPORAL_ADDRESS. It may be repeated."""
    from temporalio.service import RPCError

    from hotline.installation import adopt, look
    from hotline.temporal.connection import connect
    from hotline.temporal.setup import prepare

    async def prepared() -> str:
        settings = Settings()
        client = await connect(settings, wait_seconds=wait)
        (await look(client, settings)).refuse_foreign()
        days = timedelta(days=retention_days or RETENTION_DAYS)
        done = await prepare(client, days, shorten=retention_days is not None)
        installation = await adopt(client, settings)
        return f"{done}; installation {installation or 'unknown, as SQL has no tables yet or does not answer'}"

    try:
        typer.echo(asyncio.run(prepared()))
    except (RuntimeError, ValueError, RPCError, SQLAlchemyError) as error:
        raise OperatorError(str(error)) from error
