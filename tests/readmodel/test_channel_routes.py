"""Routes of recipients to channels, quiet hours, and removed channels."""

import pytest

from tests.support.channels import CALLER, DISPATCHER, TOMORROW, CourierHarness, all_are, sms, webhook
from tests.support.receivers import Receiver


async def test_a_recipient_without_route_is_marked_and_not_tried(harness: CourierHarness, gateway: Receiver) -> None:
    harness.write(sms(gateway), webhook(gateway), CALLER.format(["sms"]))
    await harness.notify_caller(phone=None)
    async with harness.running():
        found = await harness.notifications(all_are("no_route"))
    assert {row["recipient"].partition(":")[0] for row in found} == {"caller", "dispatcher"}
    assert [row["next_try_at"] for row in found] == [None] * len(found)
    assert gateway.requests == []


@pytest.mark.parametrize(("priority", "hears"), [("P1", True), ("P2", True), ("P3", False)])
async def test_at_night_callers_hear_of_emergencies_only(
    harness: CourierHarness, gateway: Receiver, priority: str, *, hears: bool
) -> None:
    """A program with a copy of everything has no quiet hours."""
    night = TOMORROW.replace(hour=15)  # 23:30 in Zhongshan
    harness.clock = lambda: night
    harness.write(sms(gateway), webhook(gateway, copies=True), CALLER.format(["sms"]))
    await harness.notify_caller(priority=priority)
    async with harness.running():
        found = await harness.deliveries(
            lambda found: (
                all(row["status"] == "sent" or row["next_try_at"] > night for row in found) and len(found) == 3
            )
        )
    assert [row["status"] for row in found if row["channel"] == "hook"] == ["sent", "sent"]
    [text] = [row for row in found if row["channel"] == "sms"]
    assert (text["status"] == "sent") is hears
    if not hears:
        assert text["tries"] == 0
        assert text["next_try_at"] == night.replace(hour=23, minute=0)
        harness.clock = lambda: text["next_try_at"]
        async with harness.running():
            await harness.deliveries(all_are("sent"))
    assert len([request for request in gateway.requests if request.path == "/sms"]) == 1


async def test_what_waits_for_a_removed_channel_is_routed_again(harness: CourierHarness, gateway: Receiver) -> None:
    gateway.behave = gateway.refuse
    harness.write(sms(gateway, to="13800138000"), DISPATCHER.format(["sms"]))
    [key] = await harness.notify()
    async with harness.running():
        await harness.deliveries(lambda found: found[0]["tries"] >= 1)
    harness.file.unlink()
    async with harness.running():
        await harness.notifications(all_are("sent"))
    assert (harness.folder / "notifications.log").read_text("utf-8").count(key) == 1
