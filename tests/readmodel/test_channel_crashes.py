"""The courier or SQL dies in the middle: what was taken is not sent again, what is in doubt goes under the same id."""

import asyncio
from functools import partial
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.notifications import lane
from hotline.courier import courier
from readmodel import deliveries as post
from readmodel import mailbox
from readmodel.mailbox import Report
from readmodel.writer import GroupWriter
from tests.support.channels import DISPATCHER, House, all_are, sms, webhook
from tests.support.outage import complained, down
from tests.support.receivers import Receiver


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
        task = asyncio.create_task(ActivityEnvironment().run(made.deliver_notifications))
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


def never(*_: Any) -> None:
    return None
