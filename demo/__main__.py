"""The command `python -m demo`: plays a day or a surge against a running service, or one that it starts."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from demo.calls import LEAST_CASES
from demo.client import Hotline, Rejected, Unreachable
from demo.day import REGISTRY, Day
from demo.past_month import Judging, fill_last_month
from demo.people import Person, Staff
from demo.plans import District, Offer, offered, require_demo_catalogue
from demo.play import Player, verify
from demo.report import report
from demo.tide import Tide
from domain.shared.actors import Person as Entry
from domain.shared.errors import OperatorError
from hotline import entry
from hotline.cli.main import ApiPort, DataDir, TemporalPort, UiPort, main, settings_with
from hotline.cli.shared import RETRY_LATER, open_database, say
from hotline.local import service
from hotline.local.service import CLI, LOOPBACK, environment
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
RETRY_SECONDS = 2.0
USUAL_CASES = 320
KEYS_LAST = timedelta(days=1)
"""Each run of the demo makes keys of its own for its people."""
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


@dataclass(frozen=True)
class DemoOptions:
    """Options of one run of the demo: a day, or a surge.

    `make_keys` gives people keys of the service, by name; who has none acts with the administrator's. `deadline` is how
    many seconds the service may be away. `message_log` is the file of sent messages, if this machine has it.
    """

    url: str
    admin_key: str
    cases: int
    seed: int
    day_seconds: float
    deadline: float
    surge: bool = False
    make_keys: Callable[[Sequence[Person]], dict[str, str]] | None = None
    message_log: Path | None = None


@app.command()
def demo(  # noqa: PLR0913 - an argument for each option
    *,
    url: Annotated[str | None, typer.Option(help="Address of the service; default: on this machine.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="File of the administrator's key; default: admin.key.")] = None,
    surge: Annotated[
        bool, typer.Option("--surge", help="Play a salt tide instead of a day: many calls with one cause.")
    ] = False,
    cases: Annotated[
        int | None, typer.Option(min=LEAST_CASES, help="Cases: at least 60, default 320; of a surge 2000.")
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
        # The demo must not send messages to real telephones. After three tries, some seconds, one is given up.
        own = {"channels": None} if surge else {"channels": CHANNELS, "courier_max_tries": 3}
        own["catalogue"] = SURGE_CATALOGUE if surge else CATALOGUE
    ports = {"api_port": api_port, "temporal_port": temporal_port, "ui_port": ui_port}
    settings = settings_with(data_dir=data_dir, **ports).model_copy(update=own)
    options = partial(
        DemoOptions,
        url=(url or f"http://{LOOPBACK}:{settings.api_port}").rstrip("/"),
        cases=cases or (2000 if surge else USUAL_CASES),
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
    # A small day has a small month.
    fill = partial(fill_last_month, settings, seed, min((cases or USUAL_CASES) / USUAL_CASES, 1.0))
    show = partial(play, perform, ready) if surge else partial(with_operator, settings, ready, fill)
    raise typer.Exit(asyncio.run(play_with_service(settings, show)))


def _refuse_other_stores() -> None:
    """Raise OperatorError if the environment names stores, which may be those of a real service."""
    stores = set(map(variable, OWN_STORES))
    named = [name for name in os.environ if name.upper() in stores]  # in upper or lower case
    if named:
        raise OperatorError(f"the demo has stores of its own in --data-dir: start it without {', '.join(named)}")


async def perform(options: DemoOptions, console: Console) -> bool:
    """Play a day or a surge and check it; return True if every case is as planned.

    Raises Unreachable, Rejected (the administrator's key, or something that an incident needs), or ValueError if there
    is nothing to be played.
    """
    async with _opened(options) as (hotline, staff, offers, districts):
        require_demo_catalogue(offers, options.url)
        run, plan = new_id(), (options.cases, options.seed, offers, districts)
        show = Tide(*plan, options.message_log) if options.surge else Day(*plan)
        console.print(f"[bold]run {run}[/bold] (seed {options.seed}): {show.title}, at {options.url}", soft_wrap=True)
        player = Player(hotline, staff, run, options.day_seconds)
        player.say = lambda what: console.print(f"  {what}", highlight=False, soft_wrap=True)
        with console.status("") as status:
            player.show = hotline.tell = status.update
            try:
                await player.play(show.calls, show.direct)
            except* (Rejected, Unreachable) as group:
                # One reason stops the play; the others only say it again.
                error: BaseException = group
                while isinstance(error, BaseExceptionGroup):
                    error = error.exceptions[0]
                raise error from None
            status.update("checking every case over HTTP")
            faults = show.faults if isinstance(show, Tide) else None
            verdict = await verify(player, show.calls, options.deadline, faults)
        report(console, show, verdict, hotline.traffic, options.url)
    return verdict.good


async def argue_month(month: str, options: DemoOptions, console: Console) -> bool:
    """Have people argue about a past month over HTTP; return True. It is final by itself. Raises as `perform`."""
    async with _opened(options) as (hotline, staff, _, _):
        await Judging(hotline, staff, month).argue()
    where = f"{options.url}/temporal/namespaces/default/workflows/assessment-{month}"
    console.print(f"{month} is judged (月度考核), and final within two minutes: {where}", soft_wrap=True)
    return True


@asynccontextmanager
async def _opened(options: DemoOptions) -> AsyncIterator[tuple[Hotline, Staff, list[Offer], list[District]]]:
    """Open a client of the service, with keys of the people; yield what the catalogue in force offers, too."""
    async with Hotline.at(options.url, options.admin_key, options.deadline) as hotline:
        offers, districts = offered(await hotline.get("/services"))
        staff = Staff({offer.department for offer in offers})
        if options.make_keys:
            hotline.keys = await asyncio.to_thread(options.make_keys, staff.people)
        yield hotline, staff, offers, districts


def new_id() -> str:
    """Return the id of a run that begins now; it becomes part of account numbers and idempotency keys."""
    return f"{datetime.now(UTC):%y%m%d%H%M%S}"


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

    Raises OperatorError if the service cannot be started.
    """
    ready = asyncio.Event()

    async def play_if_ready() -> int:
        await ready.wait()
        code = 1
        try:
            code = await played()
        except OperatorError as error:
            say(f"the demo stopped: {error}; the same command plays anew")
        say(f"the service goes on: its UI is http://{LOOPBACK}:{settings.api_port}/temporal/; Ctrl-C stops everything")
        return code

    playing = asyncio.create_task(play_if_ready())
    try:
        await service.run(settings, say, ready)
    finally:
        playing.cancel()
        await asyncio.wait({playing})
    return 1 if playing.cancelled() else playing.result()


async def with_operator(settings: Settings, ready: Callable[[], DemoOptions], fill: Callable[[], str]) -> int:
    """Play a day, and do beside it what an operator does: import the registry, put the catalogue in force.

    Then fill the last month, report and begin to assess it as the Schedule would, and have people argue about it.
    Raises OperatorError if a command of the operator fails, or the day cannot be played.
    """
    await _operate(settings, "customers", "import", str(REGISTRY))
    apply = ("catalogue", "apply", str(settings.catalogue), "--by", "demo", "--yes")
    try:
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(play(perform, ready))
            group.create_task(_operate(settings, *apply))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    month = await asyncio.to_thread(fill)
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
    return options(admin_key=admin_key, make_keys=partial(make_keys, settings, admin_key) if settings else None)


def make_keys(settings: Settings, admin_key: str, everybody: Sequence[Person]) -> dict[str, str]:
    """Return a new key of each, by name; none if the database is not that of the service. Raises DBAPIError."""
    _, key_id, secret = admin_key.split("_", 2)
    now, made = datetime.now(UTC), {}
    with open_database(settings) as database, writing(database) as connection:
        keys = {key.id: key for key in people.directory(connection).keys}
        ours = key_id in keys and keys[key_id].opens_with(secret)
        for person in everybody if ours else ():
            entry = Entry(id=person.name, name=person.name, role=person.role, department=person.department)
            # Nobody keeps them; keys that were made for a reader of the demo stay.
            made[person.name] = people.issue(connection, entry, now, expires_at=now + KEYS_LAST)[1]
    return made


if __name__ == "__main__":
    entry.run_main(partial(main, app))
