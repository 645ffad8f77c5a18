"""The command `python -m demo`: plays a day or a surge against a running service, or one that it starts."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from demo import day
from demo import surge as tide
from demo.client import Rejected, Unreachable
from demo.day import REGISTRY
from demo.past_month import fill_last_month
from demo.people import Person
from demo.run import DemoOptions, argue_month, perform
from domain.shared.actors import Person as Entry
from domain.shared.errors import OperatorError
from hotline import entry
from hotline.cli.catalogue import RETRY_LATER
from hotline.cli.main import main
from hotline.cli.shared import ApiPort, DataDir, TemporalPort, UiPort, open_database, say, settings_with
from hotline.local import service
from hotline.local.service import CLI, environment
from hotline.settings import Settings, variable
from readmodel.base.database import writing
from readmodel.people import people
from readmodel.people.people import TOKEN, TOKEN_SHAPE

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

CATALOGUE = Path(__file__).with_name("demo.toml")
"""Catalogue in which an hour lasts seconds."""
SURGE_CATALOGUE = CATALOGUE.with_name("surge.toml")
"""Catalogue in which an hour lasts minutes; with seconds the clocks of 2,000 cases would ring all the time."""
CHANNELS = CATALOGUE.with_name("channels.toml")
"""Channels that send nothing to real telephones, one of which fails."""
TRIES = 3
"""Tries until a notification to that channel is given up: some seconds."""
RETRY_SECONDS = 2.0
KEYS_LAST = timedelta(days=1)
"""Each run of the demo makes keys of its own for its people."""
LOOPBACK = "127.0.0.1"
OWN_STORES = (
    "database_url",
    "people_file",
    "keys_file",
    "keys",
    "catalogues_dir",
    "notification_log",
    "templates",
    "temporal_file",
)
"""Settings that `--up` takes from no environment: they lie in its data folder."""


@app.command()
def demo(  # noqa: PLR0913 - an argument for each option
    *,
    url: Annotated[str | None, typer.Option(help="Address of the service; default: on this machine.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="File of the administrator's key; default: admin.key.")] = None,
    surge: Annotated[
        bool, typer.Option("--surge", help="Play a salt tide instead of a day: many calls with one cause.")
    ] = False,
    cases: Annotated[
        int | None, typer.Option(help="Cases: at least 300, default 320; of a surge at least 60, default 2000.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the plan; the same seed gives the same day.")] = 2009,
    day_seconds: Annotated[float, typer.Option(min=0, help="Length of the day in seconds.")] = 60.0,
    deadline: Annotated[float, typer.Option(min=0, help="Most seconds without an answer of the service.")] = 120.0,
    own_service: Annotated[bool, typer.Option("--up", help="Start the service too, and run it until Ctrl-C.")] = False,
    data_dir: DataDir = None,
    api_port: ApiPort = None,
    temporal_port: TemporalPort = None,
    ui_port: UiPort = None,
) -> None:
    """Play a day of the hotline over HTTP, and check over HTTP that every case is as planned."""
    own: dict[str, Any] = {}
    if own_service:
        _refuse_other_stores()
        # A folder each: the day puts its catalogue in force, and a surge needs another.
        data_dir = data_dir or Path("data-surge" if surge else "data-demo")
        # The demo must not send messages to real telephones.
        own = {"channels": None} if surge else {"channels": CHANNELS, "courier_max_tries": TRIES}
        own["catalogue"] = SURGE_CATALOGUE if surge else CATALOGUE
    ports = {"api_port": api_port, "temporal_port": temporal_port, "ui_port": ui_port}
    settings = settings_with(data_dir=data_dir, **ports).model_copy(update=own)
    options = partial(
        DemoOptions,
        url=(url or f"http://{LOOPBACK}:{settings.api_port}").rstrip("/"),
        cases=number_of_cases(cases, surge=surge),
        seed=seed,
        day_seconds=day_seconds,
        deadline=deadline,
        surge=surge,
        # Channels of the operator's own keep no such file.
        message_log=None if url or settings.channels else settings.notification_log,
    )
    ready = partial(with_keys, options, key_file or settings.data_dir / "admin.key", None if url else settings)
    if not own_service:
        raise typer.Exit(asyncio.run(play(perform, ready)))
    show = partial(play, perform, ready) if surge else partial(with_operator, settings, ready, seed)
    raise typer.Exit(asyncio.run(play_with_service(settings, show)))


def _refuse_other_stores() -> None:
    """Raise OperatorError if the environment names stores, which may be those of a real service."""
    stores = set(map(variable, OWN_STORES))
    named = [name for name in os.environ if name.upper() in stores]  # in upper or lower case
    if named:
        raise OperatorError(f"the demo has stores of its own in --data-dir: start it without {', '.join(named)}")


def number_of_cases(asked: int | None, *, surge: bool) -> int:
    """Return the number of cases: `asked`, or the default if it is None. Raises BadParameter if too few."""
    played = tide if surge else day
    cases = played.USUAL_CASES if asked is None else asked
    if cases < played.LEAST_CASES:
        raise typer.BadParameter(f"at least {played.LEAST_CASES} cases are played, not {cases}", param_hint="--cases")
    return cases


async def play(show: Callable[[DemoOptions, Console], Awaitable[bool]], ready: Callable[[], DemoOptions]) -> int:
    """Play against the service that runs; return 0 if every case is as planned, else 1.

    Raises OperatorError: there is no key, or the service does not answer or refuses.
    """
    try:
        # Opening the database compares the stores, which has an event loop of its own.
        return 0 if await show(await asyncio.to_thread(ready), Console()) else 1
    except (Rejected, Unreachable, ValueError) as error:
        raise OperatorError(str(error)) from error


async def play_with_service(settings: Settings, played: Callable[[], Awaitable[int]]) -> int:
    """Start the service, play, and keep the service until Ctrl-C; return 0 if every case is as planned, else 1.

    Raises:
        OperatorError: the service cannot be started.
    """
    ready = asyncio.Event()

    async def play_if_ready() -> int:
        await ready.wait()
        try:
            code = await played()
        except OperatorError as error:
            say(f"the demo stopped: {error}; the same command plays anew")
            code = 1
        say(f"the service goes on: its UI is http://{LOOPBACK}:{settings.api_port}/temporal/; Ctrl-C stops everything")
        return code

    playing = asyncio.create_task(play_if_ready())
    try:
        await service.run(settings, say, ready)
    finally:
        playing.cancel()
        await asyncio.wait({playing})
    return 1 if playing.cancelled() else playing.result()


async def with_operator(settings: Settings, ready: Callable[[], DemoOptions], seed: int) -> int:
    """Play a day, and do beside it what an operator does: import the registry, put the catalogue in force.

    Then fill the last month, report and begin to assess it as the Schedule would, and have people argue about it.

    Raises:
        OperatorError: a command of the operator fails, or the day cannot be played.
    """
    await _operate(settings, "customers", "import", str(REGISTRY))
    apply = ("catalogue", "apply", str(settings.catalogue), "--by", "demo", "--yes")
    try:
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(play(perform, ready))
            group.create_task(_operate(settings, *apply))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    month = await asyncio.to_thread(fill_last_month, settings, seed)
    await _operate(settings, "report", "monthly", month, "--make")
    await _operate(settings, "assessment", "begin", month)
    await play(partial(argue_month, month), ready)
    return playing.result()


async def _operate(settings: Settings, *arguments: str) -> None:
    """Run a command of the operator on the service, again while it can succeed later. Raises OperatorError."""
    argv, env = (sys.executable, "-P", "-m", CLI, *arguments), environment(settings)
    while True:
        process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=PIPE, stderr=STDOUT)
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0:
            return
        if process.returncode != RETRY_LATER:
            raise OperatorError(f"`hotline {' '.join(arguments)}` failed: {said.decode().strip()}")
        await asyncio.sleep(RETRY_SECONDS)


def with_keys(options: Callable[..., DemoOptions], key_file: Path, settings: Settings | None) -> DemoOptions:
    """Return the options with the administrator's key, and a maker of keys if the service runs on this machine.

    Raises OperatorError: the file has no key, or the database cannot be read.
    """
    try:
        admin_key = key_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OperatorError(
            f"the administrator's key {key_file} cannot be read ({error.strerror}); `hotline up` writes it into its"
            " data folder: name that with --data-dir, the file itself with --key-file, or start the service with --up"
        ) from error
    if not TOKEN.fullmatch(admin_key):
        raise OperatorError(f"{key_file} holds no API key; an API key is {TOKEN_SHAPE}")
    return options(admin_key=admin_key, make_keys=_key_maker(settings, admin_key) if settings else None)


def _key_maker(settings: Settings, admin_key: str) -> Callable[[Sequence[Person]], dict[str, str]] | None:
    """Return a maker of keys, or None if the database is not that of the service. Raises OperatorError."""
    _, key_id, secret = admin_key.split("_", 2)
    with open_database(settings) as database, writing(database) as connection:
        keys = {key.id: key for key in people.directory(connection).keys}
    if key_id not in keys or not keys[key_id].opens_with(secret):
        return None

    def make_keys(everybody: "Sequence[Person]") -> dict[str, str]:
        now, made = datetime.now(UTC), {}
        with open_database(settings) as database, writing(database) as connection:
            for person in everybody:
                entry = Entry(id=person.name, name=person.name, role=person.role, department=person.department)
                # Nobody keeps them; keys that were made for a reader of the demo stay.
                made[person.name] = people.issue(connection, entry, now, expires_at=now + KEYS_LAST)[1]
        return made

    return make_keys


if __name__ == "__main__":
    entry.run_main(partial(main, app))
