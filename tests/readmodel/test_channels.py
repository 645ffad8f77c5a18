"""Messages reach real receivers over each kind of channel, once for each key, in the words of the house."""

import asyncio
import json

import pytest
from standardwebhooks import Webhook

from readmodel.tables import deliveries
from tests.readmodel.channels import CALLER, DISPATCHER, SECRET, House, all_are, mail, sms, webhook
from tests.readmodel.rows import rows
from tests.receivers import MailServer, Receiver


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
