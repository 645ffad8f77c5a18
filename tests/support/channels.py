"""A courier between a database and real receivers, and the file of channels that it reads."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from temporalio.testing import ActivityEnvironment

from activities.notifications.courier import CourierConfig, courier
from domain.case.automatic.internal_updates import Undelivered
from domain.case.intake import Caller
from domain.kit.event import ActionBody
from hotline.files.catalogue_store import CatalogueInForce, CatalogueStore
from hotline.settings import Settings
from readmodel.notifications import deliveries, notifications
from readmodel.writer import GroupWriter
from tests.support.batches import call, published
from tests.support.receivers import MailServer, Receiver
from tests.support.rings import ring_at
from tests.support.rows import rows
from worker import courier_config

PATIENCE = 60.0
PHONE = "138 0013-8000"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
DISPATCHER = '[[routes]]\nto = "dispatcher"\nchannels = {}\n'
CALLER = '[[routes]]\nto = "caller:*"\nchannels = {}\n'
TOMORROW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) + timedelta(days=1)


class CourierHarness:
    """A courier between a database and the receivers that its file of channels names."""

    def __init__(self, database: Engine, writer: GroupWriter, folder: Path) -> None:
        self.database = database
        self.writer = writer
        self.folder = folder
        self.file = folder / "channels.toml"
        self.options: dict[str, Any] = {}
        self.dead: list[tuple[str, Undelivered]] = []
        # Noon: outside of quiet hours, and in the future, so that what is tried again is due at once.
        self.clock: Callable[[], datetime] = lambda: TOMORROW.replace(hour=4)

    def write(self, *parts: str) -> None:
        self.file.write_text("\n".join(parts), encoding="utf-8")

    async def give_up(self, number: str, notification: Undelivered) -> None:
        self.dead.append((number, notification))

    async def notify(self, count: int = 1, first: int = 0) -> list[str]:
        """Register so many cases, each with one notification of the dispatcher. Returns the keys."""
        batches = [published(call(first + place), ())[0] for place in range(count)]
        await asyncio.gather(*(self.writer.submit(batch) for batch in batches))
        return [f"{batch.number}-1-dispatcher" for batch in batches]

    async def act(self, *actions: str | ActionBody, phone: str | None = PHONE, **changes: Any) -> str:
        """Register a case and act on it. Returns its number."""
        start = call(caller=Caller(name="李婆婆", phone=phone), **changes)
        for batch in published(start, actions):
            await self.writer.submit(batch)
        return start.number

    async def notify_caller(self, phone: str | None = PHONE, priority: str = "P3") -> str:
        """Register a case that is answered at once. Returns the key of the caller's notification."""
        number = await self.act("answer", phone=phone, priority=priority)
        return f"{number}-2-caller:{number}"

    def settings(self) -> Settings:
        file = self.file if self.file.exists() else None
        return Settings(data_dir=self.folder, channels=file, courier_poll_seconds=0.05, **self.options)

    def config(self) -> CourierConfig:
        return config_of(self.settings())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the courier until the end of the block."""
        environment = ActivityEnvironment()
        async with courier(self.writer, self.config(), self.give_up, self.clock) as made:
            task = asyncio.create_task(environment.run(made.deliver_notifications))
            waits = asyncio.current_task()
            # A courier that fails ends the test at once.
            task.add_done_callback(lambda done: waits and not done.cancelled() and done.exception() and waits.cancel())
            try:
                yield
            finally:
                environment.worker_shutdown()
                await asyncio.wait_for(task, PATIENCE)

    async def notifications(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the rows of the notifications once the condition holds. Raises TimeoutError."""
        return await self._once(notifications, holds)

    async def deliveries(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the rows of the deliveries once the condition holds. Raises TimeoutError."""
        return await self._once(deliveries, holds)

    async def _once(self, table: Any, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while not found or not holds(found):
                    await asyncio.sleep(0.02)
                    found = await asyncio.to_thread(rows, self.database, table)
        except TimeoutError:
            raise TimeoutError(f"still {found}") from None
        return found


def config_of(settings: Settings) -> CourierConfig:
    """Return the configuration of a worker's courier."""
    ring_at(settings.keys_file)
    return courier_config(settings, CatalogueInForce(CatalogueStore(settings.catalogues_dir), settings.catalogue))


def all_are(*statuses: str) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda found: {row["status"] for row in found} <= {*statuses}


def table(name: str, keys: dict[str, Any]) -> str:
    """Return a channel's table in TOML."""
    plain = {key: value for key, value in keys.items() if not isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    inner = {
        f"{key}.{part}": text for key, value in keys.items() if isinstance(value, dict) for part, text in value.items()
    }
    return "\n".join([f"[channels.{name}]", *lines, *(f"{key} = {json.dumps(text)}" for key, text in inner.items())])


def sms(gateway: Receiver, name: str = "sms", **more: Any) -> str:
    keys = {"kind": "sms", "url": f"{gateway.url}/{name}", **more}
    return table(name, keys)


def webhook(gateway: Receiver, name: str = "hook", **more: Any) -> str:
    keys = {"kind": "webhook", "url": f"{gateway.url}/{name}", "secret": SECRET, **more}
    return table(name, keys)


def mail(server: MailServer, name: str = "mail", **more: Any) -> str:
    url = f"mailto://127.0.0.1:{server.port}?from=hotline@example.com&to=duty@example.com&mode=insecure"
    return table(name, {"kind": "apprise", "url": url, **more})
