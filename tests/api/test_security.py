"""Access rules: who is let in, and how far."""

import httpx
import pytest

from domain.shared.actors import Role
from tests.support.api import Api, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYLESS = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
KEYED = ("/v1/complaints", "/v1/complaints/2001010000008", "/v1/services", "/v1/lifecycle", "/v1/letters")


async def knock(api: Api, authorization: str | None, path: str = "/v1/complaints") -> httpx.Response:
    return await api.http.get(path, headers={"Authorization": authorization} if authorization else {})


@pytest.mark.parametrize("path", KEYED)
async def test_nobody_gets_in_without_a_key(on_sqlite: Api, path: str) -> None:
    answer = await knock(on_sqlite, None, path)
    assert "Bearer hk_" in problem(answer, 401, "unauthorized")["detail"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="hotline"'


async def test_a_post_without_a_key_does_nothing(on_sqlite: Api) -> None:
    problem(await on_sqlite.http.post("/v1/complaints", json={}), 401, "unauthorized")
    number = await on_sqlite.case_in("dispatched")
    for action in ("sign_for", "brew"):
        problem(await on_sqlite.http.post(f"/v1/complaints/{number}/actions/{action}", json={}), 401, "unauthorized")
    assert await on_sqlite.actions(number) == ["register", "dispatch"]


@pytest.mark.parametrize("authorization", ["Bearer hk_1", "Bearer x y", "bearer hk_00000000_short"])
async def test_a_malformed_key_is_told_what_one_looks_like(on_sqlite: Api, authorization: str) -> None:
    answer = await knock(on_sqlite, authorization)
    assert "hk_, 8 hexadecimal digits" in problem(answer, 401, "malformed-key")["detail"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("authorization", ["Basic abc", "Bearer", "hk_00000000"])
async def test_another_scheme_is_no_key(on_sqlite: Api, authorization: str) -> None:
    problem(await knock(on_sqlite, authorization), 401, "unauthorized")


async def test_an_unknown_and_a_revoked_key_are_not_told_apart(on_sqlite: Api) -> None:
    key, token = on_sqlite.directory.issue("ho", Role.AGENT)
    assert (await knock(on_sqlite, f"Bearer {token}")).status_code == 200
    on_sqlite.directory.revoke(key.id)
    await on_sqlite.backend.people.read_anew()
    revoked = await knock(on_sqlite, f"Bearer {token}")
    unknown = await knock(on_sqlite, "Bearer hk_00000000_" + "x" * 43)
    wrong = await knock(on_sqlite, f"Bearer hk_{key.id}_" + "x" * 43)
    assert problem(revoked, 401, "unauthorized") == unknown.json() == wrong.json()


@pytest.mark.parametrize("path", KEYLESS)
async def test_operations_need_no_key(on_sqlite: Api, path: str) -> None:
    assert (await knock(on_sqlite, None, path)).status_code == 200


async def test_the_acting_person_is_the_keys_holder(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    await on_sqlite.act(number, "sign_for", {"assignee": "老梁"}, "wu")
    events = (await on_sqlite.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert (events[-1]["actor"], events[-1]["role"], events[-1]["data"]["assignee"]) == ("wu", "crew", "老梁")
