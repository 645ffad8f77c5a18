"""Messages reach real receivers over each channel: once for each key, whatever a receiver, SQL or the courier does."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook
from temporalio.testing import ActivityEnvironment

from activities import lane
from courier_setup import courier
from domain.intake import Caller
from domain.lifecycle import Action
from readmodel import deliveries as post
from readmodel import mailbox
from readmodel.mailbox import Report
from readmodel.tables import deliveries, notifications
from readmodel.writer import GroupWriter
from settings import Settings
from tests.batches import call, published
from tests.readmodel.outage import complained, down
from tests.readmodel.rows import rows
from tests.receivers import MailServer, Receiver, mail_server, receiver

PATIENCE = 15.0
PHONE = "138 0013-8000"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
DISPATCHER = '[[routes]]\nto = "dispatcher"\nchannels = {}\n'
CALLER = '[[routes]]\nto = "caller:*"\nchannels = {}\n'
TOMORROW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) + timedelta(days=1)


class House:
    """A courier at work between a database and the receivers that its file of channels names."""

    def __init__(self, database: Engine, writer: GroupWriter, folder: Path) -> None:
        self.database = database
        self.writer = writer
        self.folder = folder
        self.file = folder / "channels.toml"
        self.options: dict[str, Any] = {}
        self.dead: list[tuple[str, str]] = []
        # Noon, whatever time it is: callers are not asleep, and what is tried again is due at once.
        self.clock: Callable[[], datetime] = lambda: TOMORROW.replace(hour=4)

    def write(self, *parts: str) -> None:
        self.file.write_text("\n".join(parts), encoding="utf-8")

    async def give_up(self, number: str, key: str) -> None:
        self.dead.append((number, key))

    async def owe(self, count: int = 1, first: int = 0) -> list[str]:
        """Register so many cases; each owes the dispatcher one message. Answers the keys."""
        batches = [published(call(first + place), ())[0] for place in range(count)]
        await asyncio.gather(*(self.writer.submit(batch) for batch in batches))
        return [f"{batch.number}-1-dispatcher" for batch in batches]

    async def answer(self, place: int = 1, phone: str | None = PHONE, priority: str = "P3") -> str:
        """Answer a caller at once: the case owes him a message. Answers its key."""
        start = call(place, caller=Caller(name="李婆婆", phone=phone), priority=priority)
        for batch in published(start, (Action.ANSWER,)):
            await self.writer.submit(batch)
        return f"{start.number}-2-caller:{start.number}"

    def settings(self) -> Settings:
        file = self.file if self.file.exists() else None
        return Settings(data_dir=self.folder, channels=file, courier_poll_seconds=0.05, **self.options)

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """The courier relays until the end of the block."""
        environment = ActivityEnvironment()
        async with courier(self.writer, self.settings(), self.give_up, self.clock) as made:
            task = asyncio.create_task(environment.run(made.relay))
            waits = asyncio.current_task()
            # A courier that fails ends the test at once.
            task.add_done_callback(lambda done: waits and not done.cancelled() and done.exception() and waits.cancel())
            try:
                yield
            finally:
                environment.worker_shutdown()
                await asyncio.wait_for(task, PATIENCE)

    async def letters(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The rows of the notifications, once this holds of them. Raises TimeoutError."""
        return await self._once(notifications, holds)

    async def parcels(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The rows of the deliveries, once this holds of them. Raises TimeoutError."""
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


def all_are(*statuses: str) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda found: {row["status"] for row in found} <= {*statuses}


@pytest.fixture
async def house(database: Engine, tmp_path: Path) -> AsyncIterator[House]:
    async with GroupWriter(database) as writer:
        yield House(database, writer, tmp_path)


@pytest.fixture
async def gateway() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as made:
        yield made


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "FIRST_PAUSE", timedelta(milliseconds=20))


def table(name: str, keys: dict[str, Any]) -> str:
    """A channel as the file has it."""
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


def mail(server: MailServer, name: str = "mail") -> str:
    url = f"mailto://127.0.0.1:{server.port}?from=hotline@example.com&to=duty@example.com&mode=insecure"
    return f'[channels.{name}]\nkind = "apprise"\nurl = "{url}"\n'


async def test_a_webhook_is_signed_by_the_standard(house: House, gateway: Receiver) -> None:
    house.write(webhook(gateway), DISPATCHER.format(["hook"]))
    [key] = await house.owe()
    async with house.relaying():
        await house.letters(all_are("sent"))
    [request] = gateway.requests
    told = Webhook(SECRET).verify(request.body, request.headers)
    assert told["type"] == "complaint.register"
    assert told["data"]["key"] == key
    assert told["data"]["number"] == key.split("-")[0]


async def test_a_caller_gets_a_text_message_in_words_of_the_house(house: House, gateway: Receiver) -> None:
    house.write(
        sms(gateway, headers={"Authorization": "Bearer x"}, body={"sign": "供水"}, to_field="mobile"),
        CALLER.format(["sms"]),
    )
    key = await house.answer()
    async with house.relaying():
        await house.letters(all_are("sent", "no_route"))
    [request] = gateway.requests
    body = json.loads(request.body)
    assert (body["mobile"], body["sign"], request.headers["Authorization"]) == ("13800138000", "供水", "Bearer x")
    assert key.split("-")[0] in body["text"]
    assert "已经答复" in body["text"]


async def test_each_channel_of_a_recipient_is_used_once_though_another_fails(house: House, gateway: Receiver) -> None:
    house.write(
        sms(gateway, to="13800138000"),
        webhook(gateway),
        '[channels.log]\nkind = "log"',
        DISPATCHER.format(["sms", "hook", "log"]),
    )
    refused = 3

    async def refuse_some() -> Any:
        nonlocal refused
        if gateway.requests[-1].path == "/sms" and refused:
            refused -= 1
            return await gateway.refuse()
        return await gateway.accept()

    gateway.behave = refuse_some
    [key] = await house.owe()
    async with house.relaying():
        await house.letters(all_are("sent"))
    paths = [request.path for request in gateway.requests]
    assert (paths.count("/sms"), paths.count("/hook")) == (4, 1)
    assert (house.folder / "notifications.log").read_text("utf-8").count(key) == 1
    assert len({request.headers["Idempotency-Key"] for request in gateway.requests if request.path == "/sms"}) == 1


async def test_a_gateway_that_answers_500_to_the_end_leaves_a_dead_letter(house: House, gateway: Receiver) -> None:
    gateway.behave = gateway.refuse
    house.options["courier_max_tries"] = 3
    house.write(sms(gateway, to="13800138000"), webhook(gateway), DISPATCHER.format(["sms"]))
    [key] = await house.owe()
    async with house.relaying():
        [row] = await house.letters(all_are("dead"))
    assert row["last_error"] == "sms: the receiver answered 500"
    assert row["dead_at"] is not None
    assert len(gateway.requests) == 3
    assert house.dead == [(row["number"], key)]


async def test_a_gateway_that_hangs_is_left_and_others_do_not_wait_for_it(house: House, gateway: Receiver) -> None:
    async with receiver() as other:
        gateway.behave = gateway.hang
        house.write(
            sms(gateway, to="13800138000", timeout_seconds=60, concurrency=1),
            webhook(other),
            DISPATCHER.format(["sms", "hook"]),
        )
        await house.owe(20)
        async with house.relaying():
            found = await house.parcels(lambda found: sum(row["status"] == "sent" for row in found) == 20)
            assert {row["channel"] for row in found if row["status"] == "sent"} == {"hook"}
            assert len(gateway.requests) == 1
            gateway.stopped.set()
            await house.letters(all_are("sent"))


async def test_one_that_takes_a_message_and_answers_too_late_sees_the_same_key_again(
    house: House, gateway: Receiver
) -> None:
    """Where it knows idempotency keys, the caller hears once."""
    answers = [gateway.hang, gateway.accept]

    async def late_then_fine() -> Any:
        return await answers[min(len(gateway.requests), 2) - 1]()

    gateway.behave = late_then_fine
    house.write(sms(gateway, timeout_seconds=0.3), CALLER.format(["sms"]))
    await house.answer()
    async with house.relaying():
        await house.letters(all_are("sent", "no_route"))
    first, second = gateway.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.body == second.body


async def test_one_that_answers_twice_is_believed_once(house: House) -> None:
    """It writes two answers to one request."""
    asked: list[bytes] = []

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(twice, "127.0.0.1", 0)
    async with server:
        gateway = Receiver()
        gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        house.write(sms(gateway, to="13800138000"), DISPATCHER.format(["sms"]))
        await house.owe(3)
        async with house.relaying():
            found = await house.letters(all_are("sent"))
    assert len(asked) == 3
    assert [row["status"] for row in found] == ["sent"] * 3


async def test_a_courier_killed_in_the_middle_sends_again_under_the_same_id(house: House, gateway: Receiver) -> None:
    house.write(webhook(gateway), DISPATCHER.format(["hook"]))
    await house.owe(3)
    at = lane.now()
    await house.writer.run(partial(post.spread, route=lambda *_: ["hook"], at=at, limit=10))
    taken = await house.writer.run(partial(post.exchange, channel="hook", quiet=never, report=Report(), at=at, limit=2))
    async with house.relaying():
        found = await house.parcels(all_are("sent"))
    assert len(taken) == 2
    assert [row["tries"] for row in found] == [1, 1, 1]
    assert len({*gateway.ids("webhook-id")}) == 3


async def test_a_courier_that_ends_while_a_gateway_hangs_sends_again_under_the_same_key(
    house: House, gateway: Receiver
) -> None:
    """Nobody knows whether the gateway took it."""
    gateway.behave = gateway.hang
    house.write(sms(gateway, to="13800138000", timeout_seconds=60), DISPATCHER.format(["sms"]))
    await house.owe()
    async with GroupWriter(house.database) as writer, courier(writer, house.settings(), house.give_up) as made:
        task = asyncio.create_task(ActivityEnvironment().run(made.relay))
        await house.parcels(lambda found: found[0]["status"] == "sending" and len(gateway.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gateway.behave = gateway.accept
    async with house.relaying():
        [row] = await house.parcels(all_are("sent"))
    assert row["tries"] == 1
    assert len(gateway.requests) == 2
    assert len({*gateway.ids()}) == 1


async def test_what_was_sent_before_sql_went_away_is_not_sent_again(house: House, gateway: Receiver) -> None:
    """The courier lives and knows, so even a receiver that remembers nothing hears once."""
    outage = down(house.database)

    async def lose_sql() -> Any:
        if len(gateway.requests) == 1:
            outage.__enter__()
        return await gateway.accept()

    gateway.behave = lose_sql
    house.write(webhook(gateway), DISPATCHER.format(["hook"]))
    await house.owe()
    async with house.relaying():
        await complained()
        outage.__exit__(None, None, None)
        await house.owe(1, first=5)
        await house.letters(all_are("sent"))
    assert len(gateway.requests) == 2
    assert len({*gateway.ids("webhook-id")}) == 2


async def test_what_a_courier_had_in_hand_before_there_were_channels_is_taken_over(
    house: House, gateway: Receiver
) -> None:
    await house.owe(2)
    at = lane.now()
    taken = await house.writer.run(partial(mailbox.exchange, report=Report(), at=at, limit=1))
    assert len(taken) == 1
    house.write(webhook(gateway), DISPATCHER.format(["hook"]))
    async with house.relaying():
        await house.letters(all_are("sent"))
    assert len(gateway.requests) == 2


async def test_nothing_personal_and_no_secret_is_logged(
    house: House, gateway: Receiver, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    gateway.behave = gateway.refuse
    mails.refusing = 1
    house.options["courier_max_tries"] = 1
    house.write(
        sms(gateway, headers={"Authorization": "swordfish"}).replace("/sms", "/sms?key=swordfish"),
        mail(mails),
        CALLER.format(["sms", "mail"]),
    )
    await house.answer()
    async with house.relaying():
        await house.letters(all_are("dead", "no_route"))
    # The receivers of the test log as well, and they are not ours.
    ours = [record for record in caplog.records if not record.name.startswith(("aiohttp", "mail"))]
    told = "".join(record.getMessage() for record in ours) + str(
        await asyncio.to_thread(rows, house.database, deliveries)
    )
    for secret in ("swordfish", "13800138000", "138 0013", "duty@example.com"):
        assert secret not in told


async def test_a_mail_server_that_hangs_is_left(house: House) -> None:
    released = asyncio.Event()

    async def never_greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    server = await asyncio.start_server(never_greet, "127.0.0.1", 0)
    async with server:
        silent = MailServer()
        silent.port = server.sockets[0].getsockname()[1]
        house.options["courier_max_tries"] = 1
        house.write(mail(silent) + "timeout_seconds = 0.5\n", DISPATCHER.format(["mail"]))
        await house.owe()
        async with house.relaying():
            [row] = await house.letters(all_are("dead"))
        released.set()
    assert row["last_error"] in {"mail: no answer within 0.5 s", "mail: the service did not take it"}


async def test_a_mail_goes_out_by_a_real_server_and_is_tried_again(house: House, mails: MailServer) -> None:
    mails.refusing = 2
    house.write(mail(mails), DISPATCHER.format(["mail"]) + 'language = "both"\n')
    [key] = await house.owe()
    async with house.relaying():
        await house.letters(all_are("sent"))
    [taken] = mails.mails
    number = key.split("-")[0]
    assert number in taken["Subject"]
    assert taken["To"] == "duty@example.com"
    plain = taken.get_body(("plain",))
    text = plain.get_content() if plain else ""
    assert f"工单{number}" in text
    assert f"Case {number}" in text


async def test_who_is_not_routed_is_seen_and_not_tried(house: House, gateway: Receiver) -> None:
    house.write(sms(gateway), webhook(gateway), CALLER.format(["sms"]))
    await house.answer(phone=None)
    async with house.relaying():
        found = await house.letters(all_are("no_route"))
    assert {row["recipient"].partition(":")[0] for row in found} == {"caller", "dispatcher"}
    assert [row["next_try_at"] for row in found] == [None] * len(found)
    assert gateway.requests == []


@pytest.mark.parametrize(("priority", "hears"), [("P1", True), ("P2", True), ("P3", False)])
async def test_at_night_callers_hear_of_emergencies_only(
    house: House, gateway: Receiver, priority: str, *, hears: bool
) -> None:
    night = TOMORROW.replace(hour=15)  # 23:30 in Zhongshan
    house.clock = lambda: night
    house.write(sms(gateway), webhook(gateway), CALLER.format(["sms"]), DISPATCHER.format(["hook"]))
    await house.answer(priority=priority)
    async with house.relaying():
        found = await house.parcels(
            lambda found: (
                all(row["status"] == "sent" or row["next_try_at"] > night for row in found) and len(found) == 2
            )
        )
    by_channel = {row["channel"]: row for row in found}
    assert by_channel["hook"]["status"] == "sent"
    assert (by_channel["sms"]["status"] == "sent") is hears
    if not hears:
        assert by_channel["sms"]["tries"] == 0
        assert by_channel["sms"]["next_try_at"] == night.replace(hour=23, minute=0)
        house.clock = lambda: by_channel["sms"]["next_try_at"]
        async with house.relaying():
            await house.parcels(all_are("sent"))
    assert len([request for request in gateway.requests if request.path == "/sms"]) == 1


async def test_what_waits_for_a_channel_that_is_taken_away_is_routed_anew(house: House, gateway: Receiver) -> None:
    gateway.behave = gateway.refuse
    house.write(sms(gateway, to="13800138000"), DISPATCHER.format(["sms"]))
    [key] = await house.owe()
    async with house.relaying():
        await house.parcels(lambda found: found[0]["tries"] >= 1)
    house.file.unlink()
    async with house.relaying():
        await house.letters(all_are("sent"))
    assert (house.folder / "notifications.log").read_text("utf-8").count(key) == 1


def never(*_: Any) -> None:
    return None
