"""Notifications reach real receivers by each kind of channel, once for each key, in the words of the templates."""

import asyncio
import json
import re
from datetime import timedelta
from functools import partial

import pytest
from standardwebhooks import Webhook

from activities.sealing.keys import Links
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.link_incident import LinkIncident, Settlement
from domain.case.case import Case
from domain.case.intake import Caller
from domain.incident.incident import News
from hotline.keys import Ring
from readmodel.incidents import inform
from readmodel.notifications import deliveries
from tests.support.batches import PLAIN, batch, call
from tests.support.build import INCIDENT, MONDAY, do
from tests.support.channels import CALLER, DISPATCHER, PHONE, SECRET, CourierHarness, all_are, mail, sms, webhook
from tests.support.receivers import MailServer, Receiver
from tests.support.rows import rows


async def test_a_webhook_is_signed_by_the_standard(harness: CourierHarness, gateway: Receiver) -> None:
    harness.write(webhook(gateway), DISPATCHER.format(["hook"]))
    [key] = await harness.notify()
    async with harness.running():
        await harness.notifications(all_are("sent"))
    [request] = gateway.requests
    told = Webhook(SECRET).verify(request.body, request.headers)
    assert told["type"] == "complaint.register"
    assert told["data"]["key"] == key
    assert told["data"]["number"] == key.split("-")[0]


async def test_a_caller_gets_a_text_message_in_words_of_the_company(harness: CourierHarness, gateway: Receiver) -> None:
    harness.write(
        sms(gateway, headers={"Authorization": "Bearer x"}, body={"sign": "供水"}, to_field="mobile"),
        CALLER.format(["sms"]),
    )
    key = await harness.notify_caller()
    async with harness.running():
        await harness.notifications(all_are("sent", "no_route"))
    [request] = gateway.requests
    body = json.loads(request.body)
    assert (body["mobile"], body["sign"], request.headers["Authorization"]) == ("13800138000", "供水", "Bearer x")
    assert key.split("-")[0] in body["text"]
    assert "已经答复" in body["text"]


async def test_a_caller_gets_the_words_of_the_incidents_news(harness: CourierHarness, gateway: Receiver) -> None:
    harness.write(sms(gateway), CALLER.format(["sms"]) + 'language = "both"\n')
    number = await harness.act("dispatch")
    zh, en = "西区主管爆管，正在抢修。", "A main has burst; it is being mended."
    expected_at = MONDAY + timedelta(hours=9)
    news = News(
        incident=INCIDENT, seq=2, at=MONDAY, message=zh, message_en=en, expected_at=expected_at, numbers=(number,)
    )
    await harness.writer.run(partial(inform, news=news, numbers=news.numbers))
    async with harness.running():
        await harness.notifications(all_are("sent", "no_route"))
    text = json.loads(gateway.requests[0].body)["text"]
    assert [word for word in (zh, en, "18:00恢复", number, "88238777") if word not in text] == []
    assert "incident_inform" not in text


@pytest.mark.parametrize("follow_up", [True, False])
async def test_a_caller_gets_the_resolution_and_a_link_only_if_a_follow_up_is_due(
    harness: CourierHarness, gateway: Receiver, *, follow_up: bool
) -> None:
    harness.write(sms(gateway), CALLER.format(["sms"]) + 'language = "both"\n')
    case, registered = Case.register(call(caller=Caller(phone=PHONE)))
    linked = do(case, LinkIncident(incident=INCIDENT), MONDAY)
    over = Settlement(incident=INCIDENT, result="已换管", message="西区已恢复供水", follow_up=follow_up)
    await harness.writer.submit(batch(case, (*registered, *linked, *case.settle(over, MONDAY))))
    async with harness.running():
        await harness.notifications(all_are("sent", "no_route"))
    [text] = [json.loads(request.body)["text"] for request in gateway.requests]
    assert text.count(over.message) == 2
    assert text.count(harness.settings().public_url) == (2 if follow_up else 0)
    assert ("回访" in text) is follow_up


async def test_a_link_is_for_the_cycle_of_its_notification(harness: CourierHarness, gateway: Receiver) -> None:
    harness.write(sms(gateway), CALLER.format(["sms"]))
    again = (*PLAIN[:-1], FollowUp(outcome="dissatisfied"), *PLAIN[1:-1])
    await harness.act(*again)
    async with harness.running():
        await harness.notifications(all_are("sent", "no_route"))
    told = "\n".join(json.loads(request.body)["text"] for request in gateway.requests)
    links = Links(Ring(harness.settings().keys_file))
    read = [links.read(link) for link in re.findall(r"/c/(\S+)", told)]
    assert sorted(link.cycle for link in read if link) == [1, 2]


async def test_a_refused_mail_is_tried_again(harness: CourierHarness, mails: MailServer) -> None:
    mails.refusing = 2
    harness.write(mail(mails), DISPATCHER.format(["mail"]) + 'language = "both"\n')
    [key] = await harness.notify()
    async with harness.running():
        await harness.notifications(all_are("sent"))
    [taken] = mails.mails
    number = key.split("-")[0]
    assert number in taken["Subject"]
    assert taken["To"] == "duty@example.com"
    plain = taken.get_body(("plain",))
    text = plain.get_content() if plain else ""
    assert f"工单{number}" in text
    assert f"Case {number}" in text


async def test_nothing_personal_and_no_secret_is_logged(
    harness: CourierHarness, gateway: Receiver, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    gateway.behave = gateway.refuse
    mails.refusing = 1
    harness.options["courier_max_tries"] = 1
    harness.write(
        sms(gateway, headers={"Authorization": "swordfish"}).replace("/sms", "/sms?key=swordfish"),
        mail(mails),
        CALLER.format(["sms", "mail"]),
    )
    await harness.notify_caller()
    async with harness.running():
        await harness.notifications(all_are("dead", "no_route"))
    # The receivers of the test log as well, and they are not ours.
    ours = [record for record in caplog.records if not record.name.startswith(("aiohttp", "mail"))]
    told = "".join(record.getMessage() for record in ours) + str(
        await asyncio.to_thread(rows, harness.database, deliveries)
    )
    for secret in ("swordfish", "13800138000", "138 0013", "duty@example.com"):
        assert secret not in told
