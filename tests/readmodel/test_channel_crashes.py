"""The courier or SQL dies in the middle: what was taken is not sent again, what is in doubt goes under the same id."""

import asyncio
from functools import partial
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.notifications.courier import courier
from activities.poller import now
from readmodel import notifications
from readmodel.writer import GroupWriter
from tests.support.channels import DISPATCHER, CourierHarness, all_are, sms, webhook
from tests.support.outage import complained, down
from tests.support.receivers import Receiver


async def test_a_killed_courier_sends_again_under_the_same_id(harness: CourierHarness, gateway: Receiver) -> None:
    harness.write(webhook(gateway), DISPATCHER.format(["hook"]))
    await harness.notify(3)
    at = now()
    await harness.writer.run(partial(notifications.route, channels_to=lambda *_: ["hook"], at=at, limit=10))
    taken = await harness.writer.run(partial(notifications.take, channel="hook", quiet_until=never, at=at, limit=2))
    async with harness.running():
        found = await harness.deliveries(all_are("sent"))
    assert len(taken) == 2
    assert [row["tries"] for row in found] == [1, 1, 1]
    assert len({*gateway.ids("webhook-id")}) == 3


async def test_a_courier_that_ends_during_a_hang_sends_again_under_the_same_key(
    harness: CourierHarness, gateway: Receiver
) -> None:
    """Nobody knows whether the gateway took it."""
    gateway.behave = gateway.hang
    harness.write(sms(gateway, to="13800138000", timeout_seconds=60), DISPATCHER.format(["sms"]))
    await harness.notify()
    worker = ActivityEnvironment()
    async with GroupWriter(harness.database) as writer, courier(writer, harness.config(), harness.give_up) as made:
        task = asyncio.create_task(worker.run(made.deliver_notifications))
        await harness.deliveries(lambda found: found[0]["status"] == "sending" and len(gateway.requests) == 1)
        worker.worker_shutdown()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gateway.behave = gateway.accept
    async with harness.running():
        [row] = await harness.deliveries(all_are("sent"))
    assert row["tries"] == 1
    assert len(gateway.requests) == 2
    assert len({*gateway.ids()}) == 1


async def test_what_was_sent_before_sql_went_away_is_not_sent_again(harness: CourierHarness, gateway: Receiver) -> None:
    """The courier lives and knows, so even a receiver that remembers nothing hears once."""
    outage = down(harness.database)

    async def lose_sql() -> Any:
        if len(gateway.requests) == 1:
            outage.__enter__()
        return await gateway.accept()

    gateway.behave = lose_sql
    harness.write(webhook(gateway), DISPATCHER.format(["hook"]))
    await harness.notify()
    async with harness.running():
        await complained()
        outage.__exit__(None, None, None)
        await harness.notify(1, first=5)
        await harness.notifications(all_are("sent"))
    assert len(gateway.requests) == 2
    assert len({*gateway.ids("webhook-id")}) == 2


async def test_what_a_courier_was_sending_to_a_removed_channel_is_routed_again(
    harness: CourierHarness, gateway: Receiver
) -> None:
    """It died while it had the log channel alone."""
    await harness.notify(2)
    at = now()
    await harness.writer.run(partial(notifications.route, channels_to=lambda *_: ["log"], at=at, limit=10))
    taken = await harness.writer.run(partial(notifications.take, channel="log", quiet_until=never, at=at, limit=1))
    assert len(taken) == 1
    harness.write(webhook(gateway), DISPATCHER.format(["hook"]))
    async with harness.running():
        await harness.notifications(all_are("sent"))
    assert len(gateway.requests) == 2


def never(*_: Any) -> None:
    return None
