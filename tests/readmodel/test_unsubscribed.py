"""The courier sends nothing to a caller who has unsubscribed, and sends again once this is taken back."""

import json
from datetime import datetime
from functools import partial

import pytest
from sqlalchemy import Engine

from domain.case.actions.correct import Correct
from domain.case.actions.subscribe import Subscribe
from domain.case.actions.unsubscribe import Unsubscribe
from domain.case.intake import Caller
from domain.case.state import ProjectionBatch
from domain.incident.incident import News
from domain.kit.event import ActionBody
from readmodel.base.database import WriteConnection, writing
from readmodel.incidents import inform
from readmodel.notifications import Delivery, Failure, Results, notifications, record, resend, route, take
from readmodel.projection import write
from tests.support.batches import call, number, published
from tests.support.build import MONDAY, hours
from tests.support.channels import CALLER, PHONE, CourierHarness, all_are, sms, webhook
from tests.support.receivers import Receiver
from tests.support.rows import rows

NUMBER, INCIDENT = number(1), "i26090700017"
TO_CALLER = f"caller:{NUMBER}"
NIGHT, MORNING = MONDAY + hours(1), MONDAY + hours(9)


def of_case(*actions: str | ActionBody) -> list[ProjectionBatch]:
    return published(call(caller=Caller(phone=PHONE)), actions)


def news(seq: int, text: str) -> News:
    return News(incident=INCIDENT, seq=seq, at=MONDAY, message=text, message_en=text, numbers=(NUMBER,))


async def test_neither_news_nor_a_reply_is_sent_until_it_is_taken_back(
    harness: CourierHarness, gateway: Receiver
) -> None:
    """A program with a copy of everything gets none of it either."""
    harness.write(sms(gateway), webhook(gateway, copies=True), CALLER.format(["sms"]))
    work = ("sign_for", "complete", "reply")
    case = of_case("dispatch", "sign_for", Unsubscribe(), *work[1:], "follow_up", Subscribe(), "reopen", *work)
    silenced, unheard, taken_back, last = case[3], case[5], case[7], case[-1]
    expected = ["unsubscribe", "reply", "subscribe", "reply"]
    assert [each.events[-1].action for each in (silenced, unheard, taken_back, last)] == expected
    for seq, (start, place, end) in enumerate(((0, 3, 3), (3, 4, 7), (7, 10, 12)), start=2):
        for each in case[start:place]:
            await harness.writer.submit(each)
        told = news(seq, f"进展{seq}")
        await harness.writer.run(partial(inform, news=told, numbers=told.numbers))
        for each in case[place:end]:
            await harness.writer.submit(each)
        async with harness.running():
            await harness.notifications(all_are("sent", "no_route"))
    found = await harness.notifications(all_are("sent", "no_route"))
    assert {row["key"]: row["status"] for row in found if row["recipient"] == TO_CALLER} == {
        f"{INCIDENT}-2-{TO_CALLER}": "sent",
        f"{INCIDENT}-3-{TO_CALLER}": "no_route",
        f"{NUMBER}-{unheard.events[-1].seq}-{TO_CALLER}": "no_route",
        f"{INCIDENT}-4-{TO_CALLER}": "sent",
        f"{NUMBER}-{last.events[-1].seq}-{TO_CALLER}": "sent",
    }
    texts = [json.loads(each.body)["text"] for each in gateway.requests if each.path == "/sms"]
    assert len(texts) == 3
    assert "进展2" in texts[0]
    assert any("进展4" in text for text in texts[1:])
    bodies = [json.dumps(json.loads(each.body), ensure_ascii=False) for each in gateway.requests]
    assert not any("进展3" in body for body in bodies)


def taken(connection: WriteConnection, at: datetime, quiet_until: datetime | None = None) -> list[Delivery]:
    """Route what is due to the telephone of callers, and have the channel take its deliveries."""
    route(connection, lambda recipient, _: ("sms",) if recipient == TO_CALLER else (), at, limit=100)
    return take(connection, "sms", lambda *_: quiet_until, at, limit=100)


@pytest.mark.parametrize("given_up", [False, True])
def test_what_waited_before_is_not_sent(database: Engine, *, given_up: bool) -> None:
    """Until the morning, or as a dead letter that is sent again."""
    answered, silenced = of_case("answer", Unsubscribe())[1:]
    with writing(database) as connection:
        write(connection, [of_case()[0], answered])
        if given_up:
            [delivery] = taken(connection, NIGHT)
            record(connection, "sms", Results(failed=(Failure(delivery.key, "no such number", None),)), NIGHT)
        else:
            assert taken(connection, NIGHT, quiet_until=MORNING) == []
        write(connection, [silenced])
        assert len(resend(connection, [f"{NUMBER}-2-{TO_CALLER}"], NIGHT).due) == given_up
        assert taken(connection, MORNING) == []
    [status] = [row["status"] for row in rows(database, notifications) if row["recipient"] == TO_CALLER]
    assert status == "no_route"


def test_the_former_telephone_is_told_of_the_correction_all_the_same(database: Engine) -> None:
    first, silenced, corrected = of_case(Unsubscribe(), Correct(reason="错", caller=Caller(phone="13900001111")))
    again = of_case(Unsubscribe(), Correct(reason="错", caller=Caller(phone="13900001111")), Unsubscribe())[-1]
    former = f"former_{TO_CALLER}"
    with writing(database) as connection:
        write(connection, [first, silenced, corrected, again])
        route(connection, lambda recipient, _: ("sms",) if recipient == former else (), MORNING, limit=100)
        [told] = take(connection, "sms", lambda *_: None, MORNING, limit=100)
    assert (told.notification.recipient, told.phone, told.is_unwanted) == (former, PHONE, False)
