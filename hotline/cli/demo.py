"""The command `hotline demo`: plays against a service that runs, or with one of its own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hotline.cli.shared import (
    ApiPort,
    CatalogueFile,
    DataDir,
    TemporalPort,
    UiPort,
    checked_catalogue,
    say,
    settings_with,
)
from hotline.errors import OperatorError
from hotline.keyring import Keyring, KeyringError
from hotline.settings import DEFAULT_CATALOGUE, Settings

if TYPE_CHECKING:
    from hotline.demo.people import Person
    from hotline.demo.run import Wishes

app = typer.Typer()

CATALOGUE = DEFAULT_CATALOGUE.with_name("demo.toml")
"""Hours last seconds in it."""
SURGE_CATALOGUE = DEFAULT_CATALOGUE.with_name("surge.toml")
"""Hours last minutes in it: the promises of 2,000 callers would ring all the time otherwise."""
DATA_DIR = Path("data-demo")
FOLDER = "demo"
ADMIN_KEY = "admin.key"
USUAL_CASES = 320
LOOPBACK = "127.0.0.1"


class DemoError(OperatorError):
    """Error that ends the demo; its text says what would help."""


@dataclass(frozen=True)
class Options:
    """Options of the command; times are in seconds."""

    cases: int
    seed: int
    concurrency: int
    day_seconds: float
    deadline: float
    run: str | None
    verify_only: bool
    url: str | None = None
    key_file: Path | None = None
    surge: bool = False


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
    if own_service:
        usual = SURGE_CATALOGUE if surge else CATALOGUE
        data_dir, catalogue = data_dir or DATA_DIR, catalogue or usual
    settings = settings_with(
        data_dir=data_dir, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port, catalogue=catalogue
    )
    try:
        cases = number_of_cases(cases, surge=surge)
    except DemoError as error:
        raise typer.BadParameter(str(error), param_hint="--cases") from error
    options = Options(
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
    if own_service:
        checked_catalogue(settings.catalogue)
        # A play must ring nobody's telephone.
        settings = settings.model_copy(update={"channels": None})
        raise typer.Exit(asyncio.run(play_with_service(settings, options)))
    raise typer.Exit(asyncio.run(play(settings, options)))


def number_of_cases(asked: int | None, *, surge: bool) -> int:
    """Return how many cases are played if `asked` are asked for, or by default. Raises DemoError if too few."""
    from hotline.demo import day
    from hotline.demo.surge import plan

    usual, least = (plan.USUAL_CASES, plan.LEAST_CASES) if surge else (USUAL_CASES, day.LEAST_CASES)
    cases = usual if asked is None else asked
    if cases < least:
        raise DemoError(f"{'a surge' if surge else 'a day of the hotline'} has at least {least} cases, not {cases}")
    return cases


async def play(settings: Settings, options: Options) -> int:
    """Play against the service that runs; return 0 if every case became what was planned, else 1.

    Raises:
        DemoError: there is no key, or the service does not answer or refuses.
    """
    from rich.console import Console

    from hotline.demo import run
    from hotline.demo.client import Rejected, Unreachable
    from hotline.demo.surge import run as surge

    try:
        perform = surge.perform if options.surge else run.perform
        return 0 if await perform(_wishes(settings, options), Console()) else 1
    except (Rejected, Unreachable, ValueError) as error:
        raise DemoError(str(error)) from error


async def play_with_service(settings: Settings, options: Options) -> int:
    """Start the service, play, and keep the service until Ctrl-C; return 0 if every case is as planned, else 1.

    Raises:
        SupervisorError: the service cannot be started.
    """
    from hotline.local import service

    ready = asyncio.Event()
    running = asyncio.create_task(service.run(settings, say, ready))
    playing = asyncio.create_task(_play_when(ready, settings, options))
    try:
        await running
    finally:
        playing.cancel()
        await asyncio.wait({playing})
    return 1 if playing.cancelled() else playing.result()


async def _play_when(ready: asyncio.Event, settings: Settings, options: Options) -> int:
    await ready.wait()
    try:
        code = await play(settings, options)
    except DemoError as error:
        say(f"the demo stopped: {error}; the same command goes on with it")
        code = 1
    say(f"the service goes on: its UI is http://{LOOPBACK}:{settings.ui_port}; Ctrl-C stops everything")
    return code


def _wishes(settings: Settings, options: Options) -> "Wishes":
    from hotline.demo.run import Wishes

    url = options.url or f"http://{LOOPBACK}:{settings.api_port}"
    admin_key = _admin_key(options.key_file or settings.data_dir / ADMIN_KEY)
    return Wishes(
        url=url,
        admin_key=admin_key,
        folder=settings.data_dir / FOLDER,
        cases=options.cases,
        seed=options.seed,
        concurrency=options.concurrency,
        day_seconds=options.day_seconds,
        deadline=options.deadline,
        ui_url=None if options.url else f"http://{LOOPBACK}:{settings.ui_port}",
        run=options.run,
        verify_only=options.verify_only,
        make_key=_key_maker(settings.keys_file, admin_key),
        # Channels of the operator's own keep no such file.
        message_log=None if options.url or settings.channels else settings.notification_log,
    )


def _admin_key(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise DemoError(
            f"the administrator's key {path} cannot be read ({error.strerror}); `hotline up` writes it into its data"
            " folder: name that with --data-dir, the file itself with --key-file, or start the service with --up"
        ) from error


def _key_maker(file: Path, admin_key: str) -> "Callable[[Person], str] | None":
    """Return a maker of keys, or None if the file is not that of the service. Raises DemoError if it is unusable."""
    ring = Keyring(file)
    try:
        known = ring.verify(admin_key)
    except KeyringError as error:
        raise DemoError(str(error)) from error
    if known is None:
        return None

    def make_key(person: "Person") -> str:
        # The text of the key that an earlier demo made is lost, or it would not be asked for.
        return ring.create(person.name, person.role, person.department, namesakes="revoke")[1]

    return make_key
