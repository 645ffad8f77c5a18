"""The `hotline` command: a thin door to what the other modules do. Heavy imports wait inside the commands."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hotline import entry
from hotline.cli import catalogue as catalogue_commands
from hotline.cli import customers as customers_commands
from hotline.cli import key as key_commands
from hotline.cli import post as post_commands
from hotline.settings import Settings, SettingsError

if TYPE_CHECKING:
    from domain.catalogue.catalogue import Catalogue

ABOUT = "A water company's complaint hotline: every case durable from the call to the follow-up."

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT)
catalogue_app = typer.Typer(no_args_is_help=True, help="Catalogues of services, departments and clocks.")
catalogue_app.command("apply")(catalogue_commands.apply)
app.add_typer(key_commands.app, name="key")
app.add_typer(catalogue_app, name="catalogue")
app.add_typer(customers_commands.app, name="customers")
app.add_typer(post_commands.letters, name="letters")
app.add_typer(post_commands.channels, name="channels")

DataDir = Annotated[Path | None, typer.Option(help="Folder for databases, keys and logs.")]
ApiPort = Annotated[int | None, typer.Option(help="TCP port of the API.")]
TemporalPort = Annotated[int | None, typer.Option(help="TCP port of Temporal.")]
UiPort = Annotated[int | None, typer.Option(help="TCP port of the Temporal UI.")]
CatalogueFile = Annotated[Path | None, typer.Option(help="TOML file of services and clocks.")]


class Refusal(Exception):  # noqa: N818 - a refusal to do what was asked, not a fault
    """What the operator must know, without a traceback."""


def main() -> None:
    """Run the command; what the operator can put right is said in words, with exit code 2."""
    from hotline.files.catalogue import CatalogueError
    from hotline.files.customers import CustomersError
    from hotline.keyring import KeyringError
    from hotline.local.supervisor import SupervisorError

    refusals = (SettingsError, KeyringError, CatalogueError, CustomersError, post_commands.PostError, SupervisorError)
    try:
        app()
    # An OSError names the file that cannot be read or written, which is the operator's as well.
    except (*refusals, Refusal, OSError) as error:
        typer.echo(f"hotline: {error}", err=True)
        sys.exit(2)


@app.command()
def up(
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    temporal_port: TemporalPort = None,
    ui_port: UiPort = None,
    catalogue: CatalogueFile = None,
) -> None:
    """Run the whole service on this machine: Temporal with its UI, worker and API."""
    from hotline.local import service as local_service

    settings = _settings(
        data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port, catalogue=catalogue
    )
    # Worker and API would end again and again on files with mistakes.
    _catalogue(settings.catalogue)
    post_commands.check_post(settings)
    raise typer.Exit(asyncio.run(local_service.run(settings, _say)))


@app.command()
def demo(  # noqa: PLR0913 - an argument for each option
    *,
    url: Annotated[str | None, typer.Option(help="Address of the service; default: on this machine.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="File of the administrator's key; default: admin.key.")] = None,
    surge: Annotated[
        bool, typer.Option("--surge", help="A salt tide in place of a day: one cause, many calls.")
    ] = False,
    cases: Annotated[int | None, typer.Option(help="Cases: from 300, default 320; of a surge from 60, 2000.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another day.")] = 2009,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Cases that are worked on at once.")] = 32,
    day_seconds: Annotated[float, typer.Option(min=0, help="Seconds that the day lasts.")] = 60.0,
    deadline: Annotated[float, typer.Option(min=0, help="Seconds that the service may be away.")] = 120.0,
    run: Annotated[
        str | None, typer.Option(help="Id of the run; default: the last unfinished one, or a new one.")
    ] = None,
    verify_only: Annotated[bool, typer.Option("--verify-only", help="Play nothing; check the last run.")] = False,
    own_service: Annotated[bool, typer.Option("--up", help="Start the service too; it stays until Ctrl-C.")] = False,
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    temporal_port: TemporalPort = None,
    ui_port: UiPort = None,
    catalogue: CatalogueFile = None,
) -> None:
    """Play a day of the hotline over HTTP, and check over HTTP that every case became what was planned."""
    from hotline.cli import local_demo

    if own_service:
        usual = local_demo.SURGE_CATALOGUE if surge else local_demo.CATALOGUE
        data_dir, catalogue = data_dir or local_demo.DATA_DIR, catalogue or usual
    settings = _settings(
        data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port, catalogue=catalogue
    )
    try:
        cases = local_demo.number_of_cases(cases, surge=surge)
    except local_demo.DemoError as error:
        raise typer.BadParameter(str(error), param_hint="--cases") from error
    options = local_demo.Options(
        surge=surge,
        cases=cases,
        seed=seed,
        concurrency=concurrency,
        day_seconds=day_seconds,
        deadline=deadline,
        run=run,
        verify_only=verify_only,
        url=url,
        key_file=key_file,
    )
    try:
        if own_service:
            _catalogue(settings.catalogue)
            # A play must ring nobody's telephone.
            settings = settings.model_copy(update={"channels": None})
            raise typer.Exit(asyncio.run(local_demo.play_with_service(settings, options, _say)))
        raise typer.Exit(asyncio.run(local_demo.play(settings, options)))
    except local_demo.DemoError as error:
        raise Refusal(str(error)) from error


@app.command()
def api() -> None:
    """Run the API alone; Temporal and worker run elsewhere."""
    post_commands.check_documents(Settings())
    from api.__main__ import main as run

    run()


@app.command()
def worker() -> None:
    """Run a worker alone; Temporal and API run elsewhere. Several may run."""
    post_commands.check_post(Settings())
    from worker import main as run

    run()


@app.command()
def migrate() -> None:
    """Bring the read model's tables up to date; again without harm."""
    from sqlalchemy.exc import DBAPIError

    from readmodel.migrate import migrate as apply

    try:
        apply(Settings().database_url)
    except DBAPIError as error:
        raise Refusal(f"the database does not take the migrations: {error.orig}") from error
    typer.echo("the read model is up to date")


@app.command()
def rebuild() -> None:
    """Fill the read model from Temporal: what is missing or too old in SQL is written again, nothing is sent."""
    from rich.progress import Progress
    from sqlalchemy.exc import DBAPIError
    from temporalio.service import RPCError

    from hotline.cli.rebuild import Rebuilt
    from hotline.cli.rebuild import rebuild as apply
    from hotline.temporal.connection import connect
    from readmodel.database import engine
    from readmodel.migrate import migrate as prepare

    url = Settings().database_url

    async def rebuilt() -> Rebuilt:
        with Progress() as progress:
            task = progress.add_task("cases", total=None)
            client = await connect()
            return await apply(
                client, engine(url), lambda done, total: progress.update(task, completed=done, total=total)
            )

    try:
        prepare(url)
        found = asyncio.run(rebuilt())
    except (RuntimeError, RPCError, DBAPIError) as error:
        raise Refusal(f"not rebuilt: {error.orig if isinstance(error, DBAPIError) else error}") from error
    typer.echo(f"{found.cases} cases are in the read model, out of {found.batches} publications")
    typer.echo(f"{found.incidents} incidents are in the read model")
    if found.lost:
        raise Refusal(f"Temporal has forgotten how these began, only a backup has them: {', '.join(found.lost)}")


@app.command("temporal-setup")
def temporal_setup(
    retention_days: Annotated[int, typer.Option(min=1, help="Days a new namespace keeps ended histories.")] = 30,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for Temporal to answer.")] = 10.0,
) -> None:
    """Register namespace and search attributes on the Temporal cluster of TEMPORAL_ADDRESS; again without harm."""
    from hotline.temporal.connection import address, connect
    from hotline.temporal.setup import SetupError, prepare

    async def prepared() -> str:
        client = await connect(wait_seconds=wait)
        done = await prepare(client, timedelta(days=retention_days))
        namespace = f"namespace {client.namespace} {'added' if done.namespace_added else 'was there'}"
        return f"{namespace}; search attributes added: {', '.join(done.attributes_added) or 'none, all were there'}"

    try:
        typer.echo(f"{address()}: {asyncio.run(prepared())}")
    except (RuntimeError, SetupError, ValueError) as error:
        raise Refusal(str(error)) from error


@catalogue_app.command("check")
def catalogue_check(file: Annotated[Path, typer.Argument(help="The TOML file.")]) -> None:
    """Say whether a catalogue can be used, and for how long its holidays are known."""
    found = _catalogue(file)
    typer.echo(
        f"{file}: {found.name} {found.name_zh}, {len(found.services)} services, {len(found.departments)} departments"
    )


def _settings(**given: object) -> Settings:
    """The settings of the environment, and before them the options that were given."""
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _catalogue(file: Path) -> "Catalogue":
    from hotline.files.catalogue import CatalogueError, calendar_warnings, load_catalogue

    try:
        found = load_catalogue(file)
    except CatalogueError as error:
        raise Refusal(str(error)) from error
    for warning in calendar_warnings(found, datetime.now(UTC).date()):
        typer.echo(f"hotline: WARNING: {warning}", err=True)
    return found


def _say(text: str) -> None:
    try:
        sys.stdout.write(f"hotline: {text}\n")
        sys.stdout.flush()
    except OSError:
        # The terminal is gone; the service is not, and its logs are in files.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def program() -> NoReturn:
    """Run the command as a process of its own; this is what `hotline` runs."""
    entry.run_main(main)


if __name__ == "__main__":
    program()
