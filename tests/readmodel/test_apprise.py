"""Apprise's services: the groups and mails of the example are really sent, and one that hangs holds up no other."""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.wecombot import NotifyWeComBot

from tests.support.channels import DISPATCHER, PATIENCE, CourierHarness, all_are, mail, table
from tests.support.receivers import MailServer, Receiver, silent_mail_server

GROUPS: dict[str, tuple[Any, str]] = {
    "wecombot://KEY": (NotifyWeComBot, "/cgi-bin/webhook/send?key=KEY"),
    "dingtalk://SECRET@TOKEN": (NotifyDingTalk, "/robot/send?access_token=TOKEN"),
    "feishu://TOKEN": (NotifyFeishu, "/open-apis/bot/v2/hook/TOKEN/"),
}


@pytest.mark.parametrize("address", GROUPS)
async def test_a_group_is_posted_to_at_its_robot(
    harness: CourierHarness, gateway: Receiver, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The service's own address is changed for the receiver's; all else is as in the city."""
    plugin, path = GROUPS[address]
    own = urlsplit(plugin.notify_url)
    monkeypatch.setattr(plugin, "notify_url", plugin.notify_url.replace(f"{own.scheme}://{own.netloc}", gateway.url))
    answers = [gateway.refuse, gateway.welcome]

    async def refuse_first() -> Any:
        return await answers[len(gateway.requests) - 1]()

    gateway.behave = refuse_first
    harness.write(table("group", {"kind": "apprise", "url": address}), DISPATCHER.format(["group"]))
    [key] = await harness.notify()
    async with harness.running():
        await harness.notifications(all_are("sent"))
    assert [request.path.startswith(path) for request in gateway.requests] == [True, True]
    _, taken = gateway.requests
    number = key.split("-")[0]
    assert f"工单{number}：受理" in str(json.loads(taken.body))


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_mail_servers_that_hang_take_no_thread_of_one_that_works(
    harness: CourierHarness, mails: MailServer, concurrency: int
) -> None:
    """Its mails are sent at the first try while the others' threads hang, and the courier ends in spite of them."""
    limits = {"timeout_seconds": 3.0, "concurrency": concurrency}
    async with silent_mail_server() as silent:
        dead = [f"dead{place}" for place in range(3)]
        channels = [*(mail(silent, name, **limits) for name in dead), mail(mails, "good", concurrency=concurrency)]
        harness.write(*channels, DISPATCHER.format(json.dumps([*dead, "good"])))
        await harness.notify(30)
        async with harness.running():
            found = await harness.deliveries(lambda found: sum(row["status"] == "sent" for row in found) == 30)
        assert {(row["channel"], row["tries"]) for row in found if row["status"] == "sent"} == {("good", 1)}
    assert len(mails.mails) == 30


SENDS_TO_ONE_THAT_HANGS = """
import asyncio, sys
from activities.notifications.channels.apprise import AppriseConfig, AppriseSender
from activities.notifications.channels.base import RenderedNotification
from datetime import UTC, datetime

async def main():
    sender = AppriseSender(AppriseConfig(kind="apprise", url=sys.argv[1], timeout_seconds=60, concurrency=1))
    notification = RenderedNotification("k", "1", "reply", "owner", datetime.now(UTC), "s", "t", None)
    sending = asyncio.create_task(sender.send(notification))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    sending.cancel()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_worker_ends_though_a_send_of_its_hangs() -> None:
    async with silent_mail_server() as silent:
        url = f"mailto://127.0.0.1:{silent.port}?from=a@example.com&to=b@example.com&mode=insecure"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDS_TO_ONE_THAT_HANGS, url, stdin=asyncio.subprocess.PIPE
        )
        await asyncio.wait_for(silent.connected.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await process.communicate(b"\n")
    assert process.returncode == 0
