"""Dead letters over HTTP: who may see them, and sending one again."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, update
from temporalio.client import Client

from api.dead_letters import Letters
from readmodel.base.database import engine, writing
from readmodel.notifications import DEAD, notifications
from tests.support.api import Api, Json, problem, running_api
from tests.support.outage import down, impatient
from tests.support.rows import rows

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def dead_letter(api: Api) -> str:
    """The key of a message that was given up, as the courier would leave it."""
    number = await api.case_in("registered")
    key = f"{number}-1-dispatcher"
    database = engine(api.settings.database_url)
    with writing(database) as connection:
        died = {"status": DEAD, "dead_at": datetime.now(UTC), "next_try_at": None, "last_error": "no such number"}
        connection.execute(update(notifications).where(notifications.c.key == key).values(died))
    database.dispose()
    return key


def letter(database: Engine, key: str) -> Json:
    """The row of a message."""
    (found,) = [row for row in rows(database, notifications) if row["key"] == key]
    return found


async def listed(api: Api) -> list[str]:
    found = (await api.get("/v1/letters", by="xu", limit=200)).json()
    return [letter.key for letter in Letters.model_validate(found).items]


async def test_a_dead_letter_is_listed_and_sent_again_once(on_sqlite: Api) -> None:
    key = await dead_letter(on_sqlite)
    assert key in await listed(on_sqlite)
    answer = await on_sqlite.post(f"/v1/letters/{quote(key, safe='')}/resend", None, by="gao")
    assert (answer.status_code, answer.json()) == (202, {"key": key, "status": "due"})
    assert key not in await listed(on_sqlite)
    again = await on_sqlite.post(f"/v1/letters/{key}/resend", None, by="gao")
    assert problem(again, 409, "letter-not-dead")["accepted"]


async def test_pages_follow_each_other(on_sqlite: Api) -> None:
    keys = {await dead_letter(on_sqlite), await dead_letter(on_sqlite)}
    first = (await on_sqlite.get("/v1/letters", by="xu", limit=1)).json()
    second = (await on_sqlite.get("/v1/letters", by="xu", limit=1, cursor=first["next_cursor"])).json()
    assert {first["items"][0]["key"], second["items"][0]["key"]} == keys
    problem(await on_sqlite.get("/v1/letters", cursor="x"), 422, "invalid-cursor")


@pytest.mark.parametrize("key", ["2001010000008-1-dispatcher", "a/b", "王 x"])
async def test_an_unknown_key_is_not_found(on_sqlite: Api, key: str) -> None:
    problem(await on_sqlite.post(f"/v1/letters/{quote(key, safe='')}/resend", None), 404, "letter-not-found")


@pytest.mark.parametrize("who", ["chen", "zhou", "wu", "he"])
async def test_dead_letters_are_for_supervisors_and_managers(on_sqlite: Api, who: str) -> None:
    told = problem(await on_sqlite.get("/v1/letters", by=who), 403, "wrong-role")
    assert told["accepted"] == ["admin", "manager", "supervisor"]
    problem(await on_sqlite.post("/v1/letters/x/resend", None, by=who), 403, "wrong-role")


@pytest.mark.slow
async def test_with_sql_down_a_dead_letter_is_unchanged_and_sent_again_later(
    temporal: Client, tmp_path: Path, database_url: str
) -> None:
    async with running_api(temporal, database_url, tmp_path) as made:
        impatient(made.backend.direct.engine)
        key = await dead_letter(made)
        path = f"/v1/letters/{quote(key, safe='')}/resend"
        database = engine(database_url)
        before = letter(database, key)
        with down(made.backend.direct.engine):
            for _ in range(2):
                answer = await made.post(path, None)
                assert "Send the same again" in problem(answer, 503, "read-model-unavailable")["detail"]
                assert int(answer.headers["retry-after"]) > 0
        # Its connections did not survive that.
        database.dispose()
        assert letter(database, key) == before
        assert (await made.post(path, None)).status_code == 202
        problem(await made.post(path, None), 409, "letter-not-dead")
        database.dispose()
