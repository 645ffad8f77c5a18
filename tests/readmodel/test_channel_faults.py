"""Receivers that refuse, hang or answer wrongly: messages are tried again, and no other channel waits."""

import asyncio
from typing import Any

from tests.support.channels import CALLER, DISPATCHER, CourierHarness, all_are, mail, sms, webhook
from tests.support.receivers import Receiver, receiver, silent_mail_server


async def test_each_channel_is_used_once_though_another_fails(harness: CourierHarness, gateway: Receiver) -> None:
    harness.write(
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
    [key] = await harness.notify()
    async with harness.running():
        await harness.notifications(all_are("sent"))
    paths = [request.path for request in gateway.requests]
    assert (paths.count("/sms"), paths.count("/hook")) == (4, 1)
    assert (harness.folder / "notifications.log").read_text("utf-8").count(key) == 1
    assert len({request.headers["Idempotency-Key"] for request in gateway.requests if request.path == "/sms"}) == 1


async def test_a_gateway_that_always_answers_500_leaves_a_dead_letter(
    harness: CourierHarness, gateway: Receiver
) -> None:
    gateway.behave = gateway.refuse
    harness.options["courier_max_tries"] = 3
    harness.write(sms(gateway, to="13800138000"), webhook(gateway), DISPATCHER.format(["sms"]))
    [key] = await harness.notify()
    async with harness.running():
        [row] = await harness.notifications(all_are("dead"))
    assert row["last_error"] == "sms: the receiver answered 500"
    assert row["dead_at"] is not None
    assert len(gateway.requests) == 3
    assert [(number, each.key) for number, each in harness.dead] == [(row["number"], key)]


async def test_other_channels_do_not_wait_for_a_gateway_that_hangs(harness: CourierHarness, gateway: Receiver) -> None:
    async with receiver() as other:
        gateway.behave = gateway.hang
        harness.write(
            sms(gateway, to="13800138000", timeout_seconds=60, concurrency=1),
            webhook(other),
            DISPATCHER.format(["sms", "hook"]),
        )
        await harness.notify(20)
        async with harness.running():
            found = await harness.deliveries(lambda found: sum(row["status"] == "sent" for row in found) == 20)
            assert {row["channel"] for row in found if row["status"] == "sent"} == {"hook"}
            assert len(gateway.requests) == 1
            gateway.stopped.set()
            await harness.notifications(all_are("sent"))


async def test_a_gateway_that_answers_too_late_gets_the_same_key_again(
    harness: CourierHarness, gateway: Receiver
) -> None:
    """The caller gets one text message if the gateway honours idempotency keys."""
    answers = [gateway.hang, gateway.accept]

    async def late_then_fine() -> Any:
        return await answers[min(len(gateway.requests), 2) - 1]()

    gateway.behave = late_then_fine
    harness.write(sms(gateway, timeout_seconds=0.3), CALLER.format(["sms"]))
    await harness.notify_caller()
    async with harness.running():
        await harness.notifications(all_are("sent", "no_route"))
    first, second = gateway.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.body == second.body


async def test_a_second_answer_to_one_request_is_ignored(harness: CourierHarness) -> None:
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
        harness.write(sms(gateway, to="13800138000"), DISPATCHER.format(["sms"]))
        await harness.notify(3)
        async with harness.running():
            found = await harness.notifications(all_are("sent"))
    assert len(asked) == 3
    assert [row["status"] for row in found] == ["sent"] * 3


async def test_a_mail_server_that_hangs_is_given_up_in_time(harness: CourierHarness) -> None:
    harness.options["courier_max_tries"] = 1
    async with silent_mail_server() as silent:
        harness.write(mail(silent, timeout_seconds=0.5), DISPATCHER.format(["mail"]))
        await harness.notify()
        async with harness.running():
            [row] = await harness.notifications(all_are("dead"))
    assert row["last_error"] in {"mail: no answer within 0.5 s", "mail: the service did not take it"}
