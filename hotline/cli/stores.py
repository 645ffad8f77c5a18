"""The commands on SQL and Temporal: `hotline migrate`, `rebuild`, `verify`, `temporal-setup` and `keys`."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import Engine

from domain.shared.errors import OperatorError
from domain.shared.numbers import NumberError, is_incident, parse_number
from hotline.cli import shared
from hotline.keys import ring_of
from hotline.settings import Settings
from readmodel.base.database import exists, opened, reading
from readmodel.cases.queries import has_cases
from readmodel.processes import LIVE, last_sealed
from readmodel.projection import DivergedError, NotRegisteredError

if TYPE_CHECKING:
    from temporalio.client import Client

RETENTION_DAYS = 30
"""Days that Temporal keeps ended histories, unless the operator names another number or has set a larger one."""
RETENTION_HELP = f"Days that ended histories are kept. Without it, less than {RETENTION_DAYS} is raised to that."
AT_ONCE = 16
"""Histories whose beginnings are asked for at the same time."""

app = typer.Typer()
rebuilds = typer.Typer(
    name="rebuild", no_args_is_help=True, help="Rebuild what one of the two stores has lost from the other one."
)
app.add_typer(rebuilds)
SEALING = "Keys that seal what Temporal stores, callers' links, and sessions."
keys = typer.Typer(name="keys", no_args_is_help=True, help=SEALING)


@app.command()
def migrate(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Temporal, if its address is known.")] = 0.0,
) -> None:
    """Bring the tables of the read model up to date. Repeating it does no harm."""
    from hotline.installation import adopt, refuse_foreign
    from hotline.temporal.connection import connect, known_address

    async def adopted() -> None:
        await adopt(await connect(settings, lazy=True), settings)

    settings = Settings()
    refuse_foreign(settings, wait)
    with shared.reaching_both("the database does not take the migrations"), shared.tables_up_to_date(settings):
        typer.echo("the read model is up to date")
    if known_address(settings):
        with shared.reaching_both("the stores do not take the id of the installation"):
            asyncio.run(adopted())


@rebuilds.command("readmodel")
def rebuild_readmodel() -> None:
    """Rebuild the read model from Temporal: write rows that SQL lacks or has in an older version."""
    from activities.run_status import ForeignError, UnopenedError, UnreadableError
    from hotline.recovery.rebuild import RebuiltRows
    from hotline.recovery.rebuild import rebuild as apply
    from hotline.temporal.cluster import retention_of

    async def rebuilt() -> tuple[RebuiltRows, timedelta | None]:
        async with adopted_stores(Settings()) as (client, database):
            with reading(database) as sql:
                missing = None if has_cases(sql) else await retention_of(client)
            with shared.shown_progress("cases") as progress:
                return await apply(client, database, progress), missing

    with shared.reaching_both("not rebuilt"):
        found, missing = asyncio.run(rebuilt())
    typer.echo(f"{found.cases} cases are in the read model, from {found.batches} publications")
    typer.echo(f"{found.incidents} incidents are in the read model")
    typer.echo(f"kept: {found.in_sql_alone} cases that Temporal no longer has, {found.open_in_sql_alone} of them open")
    if missing:
        typer.echo(f"the read model was empty: cases that ended over {missing.days} days ago are in backups alone")
    reasons = {
        DivergedError: "to be brought back by `hotline rebuild workflows`, as their workflows were reset",
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
    drop_unopened: Annotated[
        bool, typer.Option("--drop-unopened", help="Drop changes that SQL may lack, as their key is unknown.")
    ] = False,
) -> None:
    """Rebuild lost workflows from SQL: of cases and incidents that were terminated, deleted or reset."""
    from hotline.recovery import rebuild_workflows as recovery
    from workflows.kit.words import CatalogueNames

    number = case and _number(case)

    def names() -> CatalogueNames:
        return CatalogueNames.of(shared.catalogue_in_force())

    async def rebuilt() -> recovery.RebuiltWorkflows:
        settings = Settings()
        async with adopted_stores(settings) as (client, database):
            rebuild = recovery.WorkflowRebuild(client, database, settings.task_queue, names, drop_unopened)
            if number is None:
                with shared.shown_progress("workflows") as progress:
                    return await rebuild.all(progress)
            try:
                return recovery.RebuiltWorkflows({await rebuild.one(number): 1}, {})
            except recovery.NotRebuiltError as error:
                return recovery.RebuiltWorkflows({}, {number: str(error)})

    with shared.reaching_both("not rebuilt"):
        found = asyncio.run(rebuilt())
    labels = {
        recovery.STARTED: "were started",
        recovery.RUNS: "ran already and were left",
        recovery.OVER: "are over and need none",
    }
    typer.echo(f"workflows: {', '.join(f'{found.counts.get(each, 0)} {words}' for each, words in labels.items())}")
    if found.failed:
        reasons = "".join(f"\n  {number}: {why}" for number, why in sorted(found.failed.items()))
        raise OperatorError(f"{len(found.failed)} workflows could not be rebuilt:{reasons}")


@app.command()
def verify() -> None:
    """Compare SQL with Temporal, case by case, and print every difference; exit code 1 if there is any."""
    from activities.run_status import UNPAUSE
    from hotline.installation import compare_stores
    from hotline.recovery.verify import Verified
    from hotline.recovery.verify import verify as compare
    from hotline.temporal.connection import connect
    from readmodel.migrate import require_tables

    async def verified() -> Verified:
        settings = Settings()
        if not exists(settings.database_url):
            raise OperatorError(f"not compared: there is no database {settings.database_url.partition(':///')[2]}")
        client = await connect(settings)
        (await compare_stores(client, settings)).require_ids()
        require_tables(settings.database_url)
        with opened(settings.database_url, read_only=True) as database, shared.shown_progress("workflows") as progress:
            return await compare(client, database, settings.task_queue, progress)

    with shared.reaching_both("not compared"):
        found = asyncio.run(verified())
    typer.echo(f"{found.compared} cases and {found.incidents} open incidents were compared")
    typer.echo(f"not compared: {found.past_retention} ended cases that Temporal no longer has")
    if found.paused:
        typer.echo(f"{len(found.paused)} cases or incidents are paused: {', '.join(found.paused)}. {UNPAUSE}", err=True)
    if found.differences:
        shared.show_table(("number", "what", "SQL", "Temporal"), found.differences)
        typer.echo(f"{len({each.number for each in found.differences})} cases or incidents differ", err=True)
        raise typer.Exit(1)


@asynccontextmanager
async def adopted_stores(settings: Settings) -> AsyncIterator[tuple["Client", Engine]]:
    """Open both stores for a rebuild, which adopts one that has no id. Raises ForeignStoreError before any change."""
    from hotline.installation import adopt, connect_to_own

    client = await connect_to_own(settings)
    with shared.tables_up_to_date(settings) as database:
        await adopt(client, settings)
        yield client, database


def _number(text: str) -> str:
    """Of a case or an incident. Raises OperatorError."""
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
    from hotline.installation import adopt, compare_stores
    from hotline.temporal.cluster import prepare
    from hotline.temporal.connection import connect

    async def prepared() -> str:
        settings = Settings()
        client = await connect(settings, wait_seconds=wait)
        await compare_stores(client, settings)
        days = timedelta(days=retention_days or RETENTION_DAYS)
        done = await prepare(client, days, shorten=retention_days is not None)
        installation = await adopt(client, settings)
        return f"{done}; installation {installation or 'unknown, as SQL has no tables yet or does not answer'}"

    with shared.reaching_both("not set up"):
        typer.echo(asyncio.run(prepared()))


@keys.command("list")
def list_() -> None:
    """Show every key, the newest last; secrets are not shown."""
    found = ring_of(Settings()).list()
    shared.show_table(("id", "created (UTC)"), ((key.id, shared.minute(key.created_at)) for key in found))


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
    settings = Settings()
    with shared.reading_sql() as connection:
        last = last_sealed(connection)
    if unknown := [key_id for key_id in [*ring_of(settings).ids()][:-1] if key_id not in last]:
        typer.echo(f"kept, as SQL does not know when they sealed last: {', '.join(unknown)}", err=True)
    if not (found := ring_of(settings).replaced(before.replace(tzinfo=UTC), last)):
        typer.echo(f"no key sealed last before {before:%Y-%m-%d}; the newest one stays")
        return
    with shared.reaching_both("not retired"):
        asyncio.run(_require_unneeded(settings, found, max(found.values()) + LIVE))
    ring_of(settings).retire(found)
    typer.echo(f"retired: {', '.join(found)}; retire them on each other machine too")


async def _require_unneeded(settings: Settings, ids: Iterable[str], until: datetime) -> None:
    """Raise OperatorError if runs that are not over began before an instant, or were reset from such."""
    from activities.cases import for_each
    from activities.run_status import NOT_OVER, first_event_at
    from hotline.installation import connect_to_own
    from workflows.singletons import InstallationWorkflow

    # That of the installation has nothing that is sealed.
    of_runs = f'{NOT_OVER} AND WorkflowType != "{InstallationWorkflow.__name__}"'
    query = f'StartTime < "{until.isoformat()}" AND {of_runs}'
    client = await connect_to_own(settings)
    if count := (await client.count_workflows(query)).count:
        raise OperatorError(
            f"not retired: {count} runs of workflows began before {shared.minute(until)} UTC and are not over, so they"
            f" need {', '.join(ids)}. Wait for their end, or name an earlier date. They are listed by `temporal"
            f" workflow list --query '{query}'`; `hotline rebuild workflows` makes a new run of a case that was"
            " terminated."
        )
    others = {run.run_id: run.id async for run in client.list_workflows(of_runs)}
    begun = await for_each(others, lambda run: first_event_at(client, others[run], run), AT_ONCE)
    if were_reset := [each for each, at in zip(others.values(), begun, strict=True) if at and at < until]:
        raise OperatorError(
            f"not retired: {len(were_reset)} workflows were reset, and the histories of their runs begin before"
            f" {shared.minute(until)} UTC, so they need {', '.join(ids)}: {', '.join(were_reset[:10])}. Wait for their"
            " end, name an earlier date, or terminate them; then `hotline rebuild workflows` makes new runs."
        )
