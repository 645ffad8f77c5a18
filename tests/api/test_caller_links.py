"""Links to the caller's page: the caller's telephone alone gets one, and staff can revoke them."""

import asyncio
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from api.temporal.client import ComplaintClient
from domain.calls.call import Call
from domain.case.views import Outcome
from readmodel.base.database import engine, writing
from readmodel.calls import calls
from readmodel.people import people
from readmodel.writer import GroupWriter
from tests.api.test_caller_page import CHINESE, ENGLISH, events, say
from tests.support.api import CALL, Agreed, Api, Clock, further_api, problem, running_api
from tests.support.browsing import signed_in
from tests.support.channels import CALLER, CourierHarness, sms, webhook
from tests.support.hotline import until
from tests.support.outage import down
from tests.support.receivers import Receiver, receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def registered(made: Api, phone: str | None = "138 0013 8000") -> str:
    """A new case."""
    return str((await made.register({**CALL, "caller": {"phone": phone}})).json()["number"])


def opened(page: str) -> bool:
    return "工单号" in page


async def test_only_the_callers_telephone_gets_the_link(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    """An agent cannot close her own case as satisfied: she has a link sent, and does not see it."""
    database = engine(sqlite_url)
    async with receiver() as gateway, GroupWriter(database) as writer:
        harness = CourierHarness(database, writer, tmp_path)
        harness.write(sms(gateway), webhook(gateway, copies=True), CALLER.format(["sms"]))
        async with running_api(temporal, sqlite_url, tmp_path, channels=harness.file) as made:
            number = await registered(made)
            clock, answers = Clock(datetime.now(UTC)), []
            async with further_api(made, clock, Agreed()) as later:
                for hours, by in enumerate(("chen", "he", "xu")):
                    clock.fixed = datetime.now(UTC) + timedelta(hours=hours)
                    answers.append(await later.act(number, "send_link", {}, by))
            assert [(each.status_code, each.json()["version"]) for each in answers] == [(200, 2), (200, 3), (200, 4)]
            async with harness.running():
                texts, copies = await sent(gateway, "/sms", 3), await sent(gateway, "/hook", 3)
            assert len(set(texts)) == 3
            for text in texts:
                (path,) = re.findall(rf"{made.settings.public_url}(/c/\S+)", text)
                assert number in (await made.http.get(path, headers=CHINESE)).text
            staff = [*copies, (await made.get(f"/v1/complaints/{number}/timeline")).text]
            assert not [text for text in (*staff, *(each.text for each in answers)) if "/c/" in text]
    database.dispose()


async def sent(gateway: Receiver, path: str, count: int) -> list[str]:
    """The texts about links that came to this path of the gateway, once there are so many."""

    async def found() -> list[str]:
        bodies = [json.loads(each.body) for each in gateway.requests if each.path == path]
        texts = [body.get("text") or body["data"]["text"] for body in bodies]
        return [text for text in texts if "请勿转发" in text]

    return await until(found, lambda texts: len(texts) == count)


OWN, CALLERS = "13922220000", "138 0013 8000"


async def test_no_link_goes_to_a_telephone_that_the_owner_has_put_in(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    """An agent cannot close her own case as a satisfied caller; the caller's telephone is told, the file shows it."""
    database = engine(sqlite_url)
    async with receiver() as gateway, GroupWriter(database) as writer:
        harness = CourierHarness(database, writer, tmp_path)
        harness.write(sms(gateway), CALLER.format(["sms"]))
        async with running_api(temporal, sqlite_url, tmp_path, channels=harness.file) as made:
            number = await registered(made, CALLERS)
            correct = {"reason": "用户换了号码", "caller": {"phone": OWN}}
            assert (await made.act(number, "correct", correct, "chen")).json()["flags"] == ["contact_changed"]
            found = problem(await made.act(number, "send_link", {}, "chen"), 409, "contact-without-witness")
            assert "somebody else than the owner" in found["accepted"][-1]
            assert (await made.get("/v1/complaints?flag=contact_changed")).json()["items"][0]["number"] == number
            await made.act(number, "answer", {"message": "已说明"}, "chen")
            async with harness.running():
                texts = await until(lambda: texts_to(gateway), lambda found: len(found) == 2)
            ((told,), (answered,)) = (texts[phone] for phone in ("13800138000", OWN))
            assert f"工单{number}的联系电话已更改" in told
            assert "/c/" not in told + answered
    database.dispose()


async def texts_to(gateway: Receiver) -> dict[str, list[str]]:
    """The texts that came to the gateway, by telephone."""
    found: dict[str, list[str]] = {}
    for each in gateway.requests:
        body = json.loads(each.body)
        found.setdefault(body["to"], []).append(body["text"])
    return found


async def test_a_colleague_or_a_call_vouches_for_a_telephone_but_for_none_of_the_staff(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    database = engine(sqlite_url)
    async with receiver() as gateway:
        channels = tmp_path / "channels.toml"
        channels.write_text(f"{sms(gateway)}\n{CALLER.format(['sms'])}", "utf-8")
        async with running_api(temporal, sqlite_url, tmp_path, channels=channels) as made:
            by_colleague, by_call, of_staff = [await registered(made, CALLERS) for _ in range(3)]
            for number, by in ((by_colleague, "xu"), (by_call, "chen"), (of_staff, "xu")):
                phone = {by_colleague: "13944440000", by_call: OWN, of_staff: "86-013955550000"}[number]
                correct = {"reason": "用户换了号码", "caller": {"phone": phone}}
                assert (await made.act(number, "correct", correct, by)).status_code == HTTPStatus.OK
            with writing(database) as connection:
                people.change(connection, "wu", phone="139 5555 0000")
                seen = Call("c1", datetime.now(UTC), caller_phone=OWN, complaint=by_call)
                calls.save_calls(connection, [seen])
            codes = [(await made.act(each, "send_link", {}, "chen")).status_code for each in (by_colleague, by_call)]
            assert codes == [HTTPStatus.OK, HTTPStatus.OK]
            problem(await made.act(of_staff, "send_link", {}, "xu"), 409, "contact-without-witness")
            # Who takes the case over is its owner, too.
            await made.act(by_colleague, "hand_over", {"owner": "xu"}, "xu")
            problem(await made.act(by_colleague, "send_link", {}, "xu"), 409, "contact-without-witness")
    database.dispose()


async def test_the_owner_may_correct_back_to_the_telephone_of_the_registration(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    """As the refusal says; a colleague who only writes the owner's number otherwise helps nobody."""
    async with receiver() as gateway:
        channels = tmp_path / "channels.toml"
        channels.write_text(f"{sms(gateway)}\n{CALLER.format(['sms'])}", "utf-8")
        async with running_api(temporal, sqlite_url, tmp_path, channels=channels) as made:
            number = await registered(made, "138 0013 8003")
            for phone, by in ((OWN, "chen"), ("139 2222 0000", "xu")):
                correct = {"reason": "用户换了号码", "caller": {"phone": phone}}
                assert (await made.act(number, "correct", correct, by)).json()["flags"] == ["contact_changed"]
                found = problem(await made.act(number, "send_link", {}, "chen"), 409, "contact-without-witness")
                assert found["accepted"][0] == "the telephone of the registration"
            await made.act(number, "correct", {"reason": "号码有误", "caller": {"phone": "+86 13800138003"}}, "chen")
            assert (await made.act(number, "send_link", {}, "chen")).status_code == HTTPStatus.OK


async def test_no_link_is_sent_where_none_can_arrive(temporal: Client, tmp_path: Path, sqlite_url: str) -> None:
    async with receiver() as gateway:
        channels = tmp_path / "channels.toml"
        channels.write_text(f"{sms(gateway)}\n{CALLER.format(['sms'])}", "utf-8")
        async with running_api(temporal, sqlite_url, tmp_path, channels=channels) as made:
            number = await registered(made, None)
            found = problem(await made.act(number, "send_link", {}, "chen"), 409, "no-telephone")
            assert "send_link" not in found["available_actions"]
            problem(await made.act(number, "send_link", {}, "wu"), 403, "wrong-role")
            async with signed_in(made, "chen") as desk:
                assert "发链接：工单没有联系电话，请先更正" in (await desk.get(f"/desk/cases/{number}")).text
            number = await registered(made)
            await say(made, made.link(number), act="unsubscribe")
            found = problem(await made.act(number, "send_link", {}, "chen"), 409, "caller-unsubscribed")
            assert "wants no messages" in found["detail"]
            assert "subscribe" in found["available_actions"]


async def test_a_telephone_gets_one_link_an_hour_and_five_a_day(
    temporal: Client, tmp_path: Path, sqlite_url: str
) -> None:
    """For all of its cases together, also of requests that come at once or to another API process."""
    async with receiver() as gateway:
        channels = tmp_path / "channels.toml"
        channels.write_text(f"{sms(gateway)}\n{CALLER.format(['sms'])}", "utf-8")
        async with (
            running_api(temporal, sqlite_url, tmp_path, channels=channels) as one,
            further_api(one, (clock := Clock()), Agreed()) as made,
            further_api(one, clock, Agreed()) as other,
        ):
            phones = "138 0013 8000", "+86 013800138000", "138 0013 8001"
            *cases, elsewhere = [await registered(made, phone) for phone in phones]
            at_once = await asyncio.gather(*(made.act(cases[place % 2], "send_link", {}, "chen") for place in range(6)))
            assert Counter(each.status_code for each in at_once) == {200: 1, 429: 5}
            found = problem(await other.act(cases[1], "send_link", {}, "xu"), 429, "too-many-links")
            assert "one link an hour and 5 within 24 hours" in found["detail"]
            assert "+08:00 on." in found["detail"]
            began = datetime.now(UTC)
            for hour in range(1, 5):
                clock.fixed = began + timedelta(hours=hour)
                assert (await made.act(cases[hour % 2], "send_link", {}, "chen")).status_code == HTTPStatus.OK
            clock.fixed = began + timedelta(hours=6)
            refused = await other.act(cases[0], "send_link", {}, "chen")
            problem(refused, 429, "too-many-links")
            assert 17.9 * 3600 < int(refused.headers["retry-after"]) <= 18 * 3600
            assert (await made.act(elsewhere, "send_link", {}, "chen")).status_code == HTTPStatus.OK


async def test_a_case_that_does_not_answer_keeps_back_the_links_to_its_own_telephone_alone(
    temporal: Client, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.edge.limits.LOCK_WAIT_SECONDS", 0.3)
    asked, answers, act = asyncio.Event(), asyncio.Event(), ComplaintClient.act

    async def late(client: ComplaintClient, number: str, *command: Any) -> Outcome | None:
        if number == stuck:
            asked.set()
            await answers.wait()
        return await act(client, number, *command)

    async with receiver() as gateway:
        channels = tmp_path / "channels.toml"
        channels.write_text(f"{sms(gateway)}\n{CALLER.format(['sms'])}", "utf-8")
        async with running_api(temporal, sqlite_url, tmp_path, channels=channels) as made:
            phones = "138 0013 8000", "+86 13800138000", "138 0013 8001"
            stuck, same, elsewhere = [await registered(made, phone) for phone in phones]
            monkeypatch.setattr(ComplaintClient, "act", late)
            sending = asyncio.create_task(made.act(stuck, "send_link", {}, "chen"))
            await asked.wait()
            assert (await made.act(elsewhere, "send_link", {}, "chen")).status_code == HTTPStatus.OK
            refused = await made.act(same, "send_link", {}, "chen")
            problem(refused, 503, "no-answer-in-time")
            assert int(refused.headers["retry-after"]) > 0
            answers.set()
            assert (await sending).status_code == HTTPStatus.OK
            problem(await made.act(same, "send_link", {}, "chen"), 429, "too-many-links")


async def test_without_a_channel_to_telephones_no_link_is_sent(on_sqlite: Api) -> None:
    number = await registered(on_sqlite)
    found = problem(await on_sqlite.act(number, "send_link", {}, "chen"), 409, "no-text-messages")
    assert found["accepted"] == ["a route of caller:* to such a channel"]
    assert await on_sqlite.actions(number) == ["register"]


async def test_no_interface_makes_a_link_for_staff(on_sqlite: Api) -> None:
    number = await registered(on_sqlite)
    problem(await on_sqlite.post(f"/v1/complaints/{number}/link", None, "chen"), 404, "not-found")


async def test_a_revoked_link_opens_nothing(on_sqlite: Api) -> None:
    number = await registered(on_sqlite)
    path = on_sqlite.link(number)
    assert opened((await on_sqlite.http.get(path, headers=CHINESE)).text)
    revoked = await on_sqlite.act(number, "revoke_links", {"note": "手机丢失"}, "chen")
    assert (revoked.status_code, revoked.json()["links_revoked_at"] is None) == (HTTPStatus.OK, False)
    for answer in (await on_sqlite.http.get(path, headers=CHINESE), await say(on_sqlite, path, act="urge")):
        assert (answer.status_code, "链接已作废" in answer.text) == (HTTPStatus.GONE, True)
    english = await on_sqlite.http.get(path, headers=ENGLISH)
    assert ("has been withdrawn" in english.text, number in english.text) == (True, False)
    assert await events(on_sqlite, number, "urge") == []
    assert opened((await on_sqlite.http.get(on_sqlite.link(number), headers=CHINESE)).text)
    problem(await on_sqlite.act(number, "revoke_links", {}, "wu"), 403, "wrong-role")


@pytest.mark.slow
async def test_links_are_revoked_while_sql_is_down(temporal: Client, tmp_path: Path, database_url: str) -> None:
    async with running_api(temporal, database_url, tmp_path, sql_wait_seconds=0.3) as made:
        number = await registered(made)
        path = made.link(number)
        database = engine(database_url)
        with down(database):
            assert (await made.act(number, "revoke_links", {}, "xu")).status_code == HTTPStatus.ACCEPTED
            # On SQLite lists go on showing what they showed before: the case itself tells.
            page = await made.http.get(path, headers=CHINESE)
            assert (page.status_code, "链接已作废" in page.text) == (HTTPStatus.GONE, True)
        database.dispose()
