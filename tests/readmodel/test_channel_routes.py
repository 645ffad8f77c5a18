"""Who is told by which channel, and when: routes, quiet hours, channels that are taken away."""

import pytest

from tests.support.channels import CALLER, DISPATCHER, TOMORROW, House, all_are, sms, webhook
from tests.support.receivers import Receiver


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
    """The program that has a copy of everything hears at once: it wakes nobody."""
    night = TOMORROW.replace(hour=15)  # 23:30 in Zhongshan
    house.clock = lambda: night
    house.write(sms(gateway), webhook(gateway, copies=True), CALLER.format(["sms"]))
    await house.answer(priority=priority)
    async with house.relaying():
        found = await house.parcels(
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
        house.clock = lambda: text["next_try_at"]
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
