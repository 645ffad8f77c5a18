"""Composition root of the demo: against a service that runs, or with one of its own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import hotline.demo.run
import hotline.demo.surge.run
from hotline.demo.client import Rejected, Unreachable
from hotline.demo.day import LEAST_CASES
from hotline.demo.people import Person
from hotline.demo.run import Wishes
from hotline.demo.surge.plan import LEAST_CASES as LEAST_OF_SURGE
from hotline.demo.surge.plan import USUAL_CASES as USUAL_OF_SURGE
from hotline.keyring import Keyring, KeyringError
from hotline.local import service as local_service
from hotline.local.supervisor import Say
from hotline.settings import DEFAULT_CATALOGUE, Settings

CATALOGUE = DEFAULT_CATALOGUE.with_name("demo.toml")
"""Hours last seconds in it."""
SURGE_CATALOGUE = DEFAULT_CATALOGUE.with_name("surge.toml")
"""Hours last minutes in it: the promises of 2,000 callers would ring all the time otherwise."""
DATA_DIR = Path("data-demo")
FOLDER = "demo"
ADMIN_KEY = "admin.key"
USUAL_CASES = 320


class DemoError(Exception):
    """The demo cannot be played; the text says what would help."""


@dataclass(frozen=True)
class Options:
    """What the command's options say; times are in seconds."""

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


def number_of_cases(asked: int | None, *, surge: bool) -> int:
    """How many cases are played where so many are asked for, or none are named. Raises DemoError for too few."""
    usual, least = (USUAL_OF_SURGE, LEAST_OF_SURGE) if surge else (USUAL_CASES, LEAST_CASES)
    cases = usual if asked is None else asked
    if cases < least:
        raise DemoError(f"{'a surge' if surge else 'a day of the hotline'} has at least {least} cases, not {cases}")
    return cases


async def play(settings: Settings, options: Options) -> int:
    """Play against the service that runs; 0 where every case is as it must be, else 1.

    Raises:
        DemoError: there is no key, or the service does not answer or refuses.
    """
    try:
        perform = hotline.demo.surge.run.perform if options.surge else hotline.demo.run.perform
        return 0 if await perform(_wishes(settings, options), Console()) else 1
    except (Rejected, Unreachable, ValueError) as error:
        raise DemoError(str(error)) from error


async def play_with_service(settings: Settings, options: Options, say: Say) -> int:
    """Bring the service up, play, and keep the service until Ctrl-C; then 0 where every case is as planned, else 1.

    Raises:
        SupervisorError: the service cannot be brought up.
    """
    ready = asyncio.Event()
    service = asyncio.create_task(local_service.run(settings, say, ready))
    playing = asyncio.create_task(_play_when(ready, settings, options, say))
    try:
        await service
    finally:
        playing.cancel()
        await asyncio.wait({playing})
    return 1 if playing.cancelled() else playing.result()


async def _play_when(ready: asyncio.Event, settings: Settings, options: Options, say: Say) -> int:
    await ready.wait()
    try:
        code = await play(settings, options)
    except DemoError as error:
        say(f"the demo stopped: {error}; the same command goes on with it")
        code = 1
    say(f"the service goes on: its UI is http://{local_service.LOOPBACK}:{settings.ui_port}; Ctrl-C stops everything")
    return code


def _wishes(settings: Settings, options: Options) -> Wishes:
    url = options.url or f"http://{local_service.LOOPBACK}:{settings.api_port}"
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
        ui_url=None if options.url else f"http://{local_service.LOOPBACK}:{settings.ui_port}",
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


def _key_maker(ring_file: Path, admin_key: str) -> Callable[[Person], str] | None:
    """How to make keys, where this machine has the very ring that the service asks: it opens to the same key."""
    ring = Keyring(ring_file)
    try:
        known = ring.verify(admin_key)
    except KeyringError as error:
        raise DemoError(str(error)) from error
    if known is None:
        return None

    def make_key(person: Person) -> str:
        # The text of the key that an earlier demo made is lost, or it would not be asked for.
        return ring.create(person.name, person.role, person.department, namesakes="revoke")[1]

    return make_key
