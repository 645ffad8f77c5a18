"""People: who acts is told by an id, and by nothing that somebody else may have as well; keys that end."""

import asyncio
import json
import logging
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from activities.names import complaint_id
from domain.shared.actors import Role
from readmodel.base.database import engine, writing
from readmodel.migrate import migrate
from readmodel.people.people import note_used
from tests.support.api import Api, further_api, problem
from tests.support.directory import Directory
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def now() -> datetime:
    return datetime.now(UTC)


async def knock(api: Api, token: str, path: str = "/v1/services") -> httpx.Response:
    return await api.http.get(path, headers={"Authorization": f"Bearer {token}"})


async def test_a_name_gives_nobody_the_rights_of_another(on_both: Api) -> None:
    """A crew who is called as the owner of the case could reply to her caller."""
    on_both.tokens["10023"] = on_both.directory.enter("10023", Role.AGENT, name="陈美玲")
    on_both.tokens["40001"] = on_both.directory.enter("40001", Role.CREW, "repair", name="陈美玲")
    number = (await on_both.register(by="10023")).json()["number"]
    await on_both.act(number, "dispatch", {"department": "repair"}, "zhou")
    await on_both.act(number, "sign_for", {}, "40001")
    await on_both.act(number, "complete", {"result": "好了"}, "40001")
    problem(await on_both.act(number, "reply", {"message": "好了"}, "40001"), 403, "wrong-role")
    case = (await on_both.act(number, "reply", {"message": "好了"}, "10023")).json()
    assert (case["owner"], case["assignee"]) == ("10023", "40001")
    assert case["people"] == {"10023": "陈美玲", "40001": "陈美玲"}
    items = (await on_both.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert [(item["actor"], item.get("people")) for item in items] == [
        ("10023", {"10023": "陈美玲"}),
        ("zhou", None),
        *[("40001", {"40001": "陈美玲"})] * 2,
        ("10023", {"10023": "陈美玲"}),
    ]


async def test_people_are_named_by_id_or_by_a_name_that_is_theirs_alone(on_sqlite: Api) -> None:
    for person, name in (("20001", "苏敏仪"), ("20002", "苏敏"), ("20003", "苏敏")):
        on_sqlite.directory.enter(person, Role.AGENT, name=name)
    await on_sqlite.backend.people.read_anew()
    number = await on_sqlite.case_in("registered")
    found = problem(await on_sqlite.act(number, "hand_over", {"owner": "苏敏"}, "xu"), 422, "unknown-owner")
    assert "20002, 20003" in found["detail"]
    handed = (await on_sqlite.act(number, "hand_over", {"owner": " 苏敏仪"}, "xu")).json()
    assert (handed["owner"], handed["people"]["20001"]) == ("20001", "苏敏仪")
    for owner in ("20001", "苏敏仪"):
        [case] = (await on_sqlite.get("/v1/complaints", owner=owner)).json()["items"]
        assert case["number"] == number
    handle = on_sqlite.temporal.get_workflow_handle(complaint_id(number))
    description = await handle.describe()
    assert description.search_attributes["Owner"] == ["20001"]


async def test_an_assignee_is_of_the_department(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    wrong = {"department": "repair", "assignee": "sun"}
    found = problem(await on_sqlite.act(number, "dispatch", wrong, "zhou"), 422, "unknown-assignee")
    assert (found["detail"], found["accepted"]) == (
        "sun is of metering, and the work is that of repair.",
        ["a person of repair"],
    )
    assert (await on_sqlite.act(number, "dispatch", {**wrong, "assignee": "wu"}, "zhou")).json()["assignee"] == "wu"
    problem(await on_sqlite.act(number, "sign_for", {"assignee": "sun"}, "wu"), 422, "unknown-assignee")


async def test_whom_a_supervisor_assigns_is_of_the_department_that_has_the_work(on_sqlite: Api) -> None:
    """The service finds the department by the person, and the case knows if that one has work on it."""
    number = await on_sqlite.case_in("in_progress")
    on_sqlite.directory.enter("ma", Role.CREW, "repair")
    await on_sqlite.backend.people.read_anew()
    found = problem(await on_sqlite.act(number, "assign", {"assignee": "sun"}, "xu"), 422, "no-such-part")
    assert "metering has no part" in found["detail"]
    found = problem(await on_sqlite.act(number, "assign", {"assignee": "li"}, "xu"), 422, "unknown-assignee")
    assert found["detail"] == "li is of no department, and the work is that of a department."
    problem(await on_sqlite.act(number, "assign", {"assignee": "sun"}, "wu"), 422, "unknown-assignee")
    assert (await on_sqlite.act(number, "assign", {"assignee": "ma"}, "xu")).json()["assignee"] == "ma"
    problem(await on_sqlite.act(number, "assign", {"assignee": "ma"}, "wu"), 422, "same-assignee")
    await on_sqlite.act(number, "involve", {"department": "metering", "task": "检查水表"}, "chen")
    parts = (await on_sqlite.act(number, "assign", {"assignee": "sun"}, "xu")).json()["parts"]
    assert [part["assignee"] for part in parts] == ["sun"]
    assert (await on_sqlite.complaint(number))["assignee"] == "ma"


async def test_nobody_in_the_directory_is_refused_unless_that_is_allowed(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, now, unknown_people="refuse") as api:
        number = (await api.register()).json()["number"]
        to = {"department": "repair", "assignee": "老梁"}
        problem(await api.act(number, "dispatch", to, "zhou"), 422, "unknown-assignee")
        call = {"service_code": "leak", "description": "漏水", "owner": "老陈"}
        problem(await api.register(call, "chief"), 422, "unknown-owner")
    assert (await on_sqlite.act(number, "dispatch", to, "zhou")).json()["assignee"] == "老梁"


async def test_no_free_text_is_the_name_of_somebody_who_has_left(on_sqlite: Api) -> None:
    """The case would be theirs when they are back."""
    on_sqlite.directory.enter("50001", Role.CREW, "repair", name="老曾")
    on_sqlite.directory.leave("50001")
    await on_sqlite.backend.people.read_anew()
    number = await on_sqlite.case_in("registered")
    for name in ("50001", "老曾", "caller"):
        to = {"department": "repair", "assignee": name}
        problem(await on_sqlite.act(number, "dispatch", to, "zhou"), 422, "unknown-assignee")
        call = {"service_code": "leak", "description": "漏水", "owner": name}
        problem(await on_sqlite.register(call, "chief"), 422, "unknown-owner")


async def test_sql_that_has_lost_everybody_takes_nobodys_key_and_no_copy(on_sqlite: Api, tmp_path: Path) -> None:
    """A process that starts on an empty database wrote over the copy, from which people are written again."""
    empty = f"sqlite:///{tmp_path / 'hotline.db'}"
    migrate(empty)
    before = on_sqlite.settings.people_file.read_text()
    async with further_api(on_sqlite, now, database_url=empty) as api:
        assert (await knock(api, on_sqlite.tokens["chen"])).status_code == 200
    assert on_sqlite.settings.people_file.read_text() == before


async def test_the_copy_is_written_again_after_a_failure(on_sqlite: Api, tmp_path: Path) -> None:
    file = tmp_path / "gone" / "people.json"
    file.parent.write_text("a file where the folder was")
    async with further_api(on_sqlite, now, people_file=file, people_seconds=0.05) as api:
        assert (await knock(api, on_sqlite.tokens["chen"])).status_code == 200
        file.parent.unlink()
        file.parent.mkdir()
        await until(lambda: asyncio.to_thread(file.exists), bool)
        assert '"chen"' in file.read_text()


@pytest.mark.slow
async def test_a_copy_that_cannot_be_read_stops_no_api(on_sqlite: Api, tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    file.mkdir()
    away = "sqlite:////nowhere/hotline.db"
    async with further_api(on_sqlite, now, database_url=away, people_file=file, sql_wait_seconds=0.1) as api:
        assert (await api.http.get("/healthz")).status_code == 200


@pytest.mark.slow
async def test_a_copy_with_somebody_whom_nobody_would_add_stops_no_api(on_sqlite: Api, tmp_path: Path) -> None:
    """As another release may have taken them."""
    nobody = {"id": "kuang", "name": "kuang", "role": "crew", "added_at": "2026-08-03T04:00:00Z"}
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"people": [nobody]}))
    away = "sqlite:////nowhere/hotline.db"
    async with further_api(on_sqlite, now, database_url=away, people_file=file, sql_wait_seconds=0.1) as api:
        assert (await api.http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("broken", ["role = 'boss'", "role = 'owner'", "role = 'crew', department = NULL", "name = ''"])
async def test_who_cannot_be_read_in_sql_opens_nothing_and_stops_nobody(
    on_both: Api, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    _, token = on_both.directory.issue("kuang", Role.AGENT)
    other, stays = on_both.directory.issue("niu", Role.AGENT)
    on_both.directory.revoke(other.id)
    database = engine(on_both.settings.database_url)
    with writing(database) as sql:
        sql.execute(text(f"UPDATE people SET {broken} WHERE id = 'kuang'"))
    with caplog.at_level(logging.ERROR):
        await on_both.backend.people.read_anew()
    assert " by id of people cannot be read: " in caplog.text
    answers = [(await knock(on_both, each)).status_code for each in (token, stays, on_both.tokens["chen"])]
    with writing(database) as sql:
        sql.execute(text("DELETE FROM api_keys WHERE person = 'kuang'"))
        sql.execute(text("DELETE FROM people WHERE id = 'kuang'"))
    database.dispose()
    assert answers == [401, 401, 200]


@pytest.mark.parametrize("broken", ["added_at = 'yesterday'", "districts = x'fffe'", "id = CAST(x'ff42' AS TEXT)"])
async def test_a_value_that_sqlite_took_and_nobody_reads_stops_nobody(on_sqlite: Api, broken: str) -> None:
    """The whole statement fails of one such value."""
    _, token = on_sqlite.directory.issue("kuang", Role.AGENT)
    other, revoked = on_sqlite.directory.issue("niu", Role.AGENT)
    database = engine(on_sqlite.settings.database_url)
    # As SQL of somebody's own, which does not ask for foreign keys.
    with closing(sqlite3.connect(database.url.database or "")) as own, own:
        own.execute(f"UPDATE people SET {broken} WHERE id = 'kuang'")
    on_sqlite.directory.revoke(other.id)
    await on_sqlite.backend.people.read_anew()
    answers = [(await knock(on_sqlite, each)).status_code for each in (token, revoked, on_sqlite.tokens["chen"])]
    with writing(database) as sql:
        sql.execute(text("DELETE FROM api_keys WHERE person = 'kuang'"))
        sql.execute(text("DELETE FROM people WHERE folded_id = 'kuang'"))
    database.dispose()
    assert answers == [401, 401, 200]


async def test_nobody_is_let_in_if_nobody_can_be_read(on_sqlite: Api, tmp_path: Path) -> None:
    alone = f"sqlite:///{tmp_path / 'hotline.db'}"
    directory, file = Directory(alone), tmp_path / "people.json"
    _, token = directory.issue("chief", Role.ADMIN)
    async with further_api(on_sqlite, now, database_url=alone, people_file=file) as api:
        assert (await knock(api, token)).status_code == 200
        kept, database = file.read_text(), engine(alone)
        with writing(database) as sql:
            sql.execute(text("UPDATE people SET role = 'nonsense'"))
        database.dispose()
        await api.backend.people.read_anew()
        assert (await knock(api, token)).status_code == 401
    assert file.read_text() == kept


async def test_a_new_key_opens_at_once_and_a_revoked_one_not_for_long_in_every_process(on_both: Api) -> None:
    async with further_api(on_both, now, people_seconds=0.2) as other:
        key, token = on_both.directory.issue("kuang", Role.AGENT)
        assert [(await knock(api, token)).status_code for api in (on_both, other)] == [200, 200]
        on_both.directory.revoke(key.id)

        await until(lambda: knock(other, token), lambda answer: answer.status_code == 401)
    await on_both.backend.people.read_anew()
    problem(await knock(on_both, token), 401, "unauthorized")


async def test_a_key_ends_at_its_instant(on_sqlite: Api) -> None:
    _, token = on_sqlite.directory.issue("kuang", Role.AGENT, expires_at=now() + timedelta(hours=1))
    assert (await knock(on_sqlite, token)).status_code == 200
    async with further_api(on_sqlite, lambda: now() + timedelta(hours=1)) as later:
        problem(await knock(later, token), 401, "unauthorized")


async def test_a_key_for_reading_changes_nothing(on_sqlite: Api) -> None:
    on_sqlite.tokens["reader"] = on_sqlite.directory.enter("kuang", Role.AGENT, scope="read")
    number = await on_sqlite.case_in("registered")
    assert (await on_sqlite.get(f"/v1/complaints/{number}", "reader")).status_code == 200
    problem(await on_sqlite.act(number, "comment", {"note": "你好"}, "reader"), 403, "wrong-scope")
    problem(await on_sqlite.register(by="reader"), 403, "wrong-scope")
    assert await on_sqlite.actions(number) == ["register"]


async def test_the_last_use_of_a_key_is_noted(on_sqlite: Api) -> None:
    key, token = on_sqlite.directory.issue("kuang", Role.AGENT)
    began_at = now()
    async with further_api(on_sqlite, now) as api:
        await knock(api, token)
    [found] = [each for each in on_sqlite.directory.read().keys if each.id == key.id]
    assert found.last_used_at is not None
    assert began_at <= found.last_used_at <= now()


async def test_a_later_use_is_not_overwritten_by_another_process(on_both: Api) -> None:
    key, _ = on_both.directory.issue("kuang", Role.AGENT)
    database, at = engine(on_both.settings.database_url), now()
    with writing(database) as sql:
        for minutes in (1, 2, 0):
            note_used(sql, {key.id: at + timedelta(minutes=minutes)})
    database.dispose()
    [found] = [each for each in on_both.directory.read().keys if each.id == key.id]
    assert found.last_used_at == at + timedelta(minutes=2)


async def test_sql_being_down_stops_nobody_who_is_known(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, now, database_url="sqlite:////nowhere/hotline.db", sql_wait_seconds=0.1) as api:
        assert (await knock(api, on_sqlite.tokens["chen"])).status_code == 200
        assert (await api.register()).status_code == 202
        problem(await knock(api, on_sqlite.directory.enter("newcomer", Role.AGENT)), 503, "read-model-unavailable")
    file = on_sqlite.settings.people_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert on_sqlite.tokens["chen"].rpartition("_")[2] not in file.read_text()


async def test_wrong_keys_read_sql_no_oftener_than_they_are_answered(on_sqlite: Api) -> None:
    """Requests that come together share a read."""
    reads = 0
    reader = on_sqlite.backend.people.reader
    ask = reader.ask

    async def counted(*args: object, **kwargs: object) -> object:
        nonlocal reads
        reads += 1
        return await ask(*args, **kwargs)  # type: ignore[arg-type]

    reader.ask = counted  # type: ignore[method-assign,assignment]
    try:
        answers = await asyncio.gather(*(knock(on_sqlite, f"hk_{number:08x}_" + "x" * 43) for number in range(20)))
    finally:
        reader.ask = ask  # type: ignore[method-assign]
    assert {answer.status_code for answer in answers} <= {401, 429}
    assert reads <= 10


async def test_an_address_beyond_its_guesses_reads_sql_no_more(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, now, guesses_per_minute=3) as api:
        answers = [await knock(api, f"hk_{number:08x}_" + "x" * 43) for number in range(3)]
        assert {answer.status_code for answer in answers} == {401}
        _, token = on_sqlite.directory.issue("kuang", Role.AGENT)
        problem(await knock(api, token), 429, "too-many-guesses")
        assert (await knock(api, on_sqlite.tokens["chen"])).status_code == 200


async def test_people_are_listed_by_role_department_and_district(on_sqlite: Api) -> None:
    on_sqlite.directory.enter("30071", Role.CREW, "repair", name="卢伟明")
    on_sqlite.directory.change("30071", districts=("west",))
    await on_sqlite.backend.people.read_anew()

    async def ids(**wanted: str) -> set[str]:
        return {item["id"] for item in (await on_sqlite.get("/v1/people", "zhou", **wanted)).json()["items"]}

    assert {"30071", "wu"} <= await ids(department="抢修队", district="west")
    assert "30071" not in await ids(district="east")
    assert {"wu", "sun", "30071"} <= await ids(role="crew")
    assert "chen" not in await ids(role="crew")
    on_sqlite.directory.leave("30071")
    await on_sqlite.backend.people.read_anew()
    assert "30071" not in await ids()
    # Nobody else is meant by the id of somebody who has left.
    on_sqlite.directory.enter("30079", Role.AGENT, name="30071")
    await on_sqlite.backend.people.read_anew()
    assert on_sqlite.backend.people.directory.named("30071") == ()
