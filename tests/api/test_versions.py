"""Versions over HTTP: `ETag`, `If-Match` and `If-None-Match`. Nobody acts on a case that is not as it was read."""

import asyncio

import httpx
import pytest

from tests.support.api import CALL, Api, Json, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def act(api: Api, number: str, action: str, body: Json, if_match: str, **sent: str) -> httpx.Response:
    """`by` acts, with a `key` if one is given."""
    headers = {**api.key(sent.get("by", "chen")), "If-Match": if_match}
    headers |= {"Idempotency-Key": sent["key"]} if "key" in sent else {}
    return await api.http.post(f"/v1/complaints/{number}/actions/{action}", headers=headers, json=body)


async def read(api: Api, number: str, by: str = "chief", **headers: str) -> httpx.Response:
    return await api.http.get(f"/v1/complaints/{number}", headers={**api.key(by), **headers})


async def test_every_answer_with_a_case_names_its_version(on_both: Api) -> None:
    registered = await on_both.register({**CALL, "caller": {"phone": "13800138000"}})
    number = registered.json()["number"]
    assert registered.headers["ETag"] == '"1"'
    acted = await on_both.act(number, "dispatch", {"department": "repair"}, "zhou")
    assert (acted.headers["ETag"], acted.json()["version"]) == ('"2"', 2)
    clear, masked = await read(on_both, number), await read(on_both, number, "gao")
    assert (clear.headers["ETag"], masked.headers["ETag"]) == ('"2"', '"2"')
    assert (masked.json()["caller"]["phone"], "caller.phone" in masked.json()["masked"]) == ("138****8000", True)


async def test_a_version_that_the_client_has_is_not_sent_again(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    for tag in ('"2"', 'W/"2"', '"1", "2"', "*"):
        answer = await read(on_sqlite, number, **{"If-None-Match": tag})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"2"')
    problem(await read(on_sqlite, number, **{"If-None-Match": "2"}), 422, "invalid-etag")
    for tag in ('"1"', '"02"', '"nonsense"'):
        answer = await read(on_sqlite, number, **{"If-None-Match": tag})
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
    hidden = await read(on_sqlite, number, "sun", **{"If-None-Match": '"2"'})
    problem(hidden, 403, "other-department")


async def test_an_action_is_for_the_version_that_was_read(on_both: Api) -> None:
    number = await on_both.case_in("dispatched")
    note = {"note": "用户又来电"}
    found = problem(await act(on_both, number, "comment", note, '"1"'), 412, "version-changed")
    assert (found["version"], found["state"]) == (2, "dispatched")
    assert found["accepted"] == ['If-Match: "2"', "no If-Match"]
    assert await on_both.actions(number) == ["register", "dispatch"]
    for tag, version in (('"2"', 3), ("*", 4), ('"1", "4"', 5)):
        answer = await act(on_both, number, "comment", note, tag)
        assert (answer.status_code, answer.headers["ETag"]) == (200, f'"{version}"')
    for tag in ('"6"', 'W/"5"', '"05"', '"?"', f'"{10**30}"'):
        problem(await act(on_both, number, "comment", note, tag), 412, "version-changed")


async def test_of_two_who_read_the_same_version_one_acts(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    answers = await asyncio.gather(
        *(act(on_sqlite, number, "comment", {"note": by}, '"2"', by=by) for by in ("chen", "li", "zhou", "xu"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert (await on_sqlite.complaint(number))["version"] == 3


async def test_what_was_carried_out_is_answered_again_whatever_the_version_is(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    for _ in range(2):
        answer = await act(on_sqlite, number, "comment", {"note": "?"}, '"2"', key="a-comment")
        assert answer.status_code == 200
        await on_sqlite.act(number, "comment", {"note": "!"}, "zhou")
    refused = await act(on_sqlite, number, "comment", {"note": "?"}, '"2"', key="another")
    problem(refused, 412, "version-changed")
    version = (await on_sqlite.complaint(number))["version"]
    again = await act(on_sqlite, number, "comment", {"note": "?"}, f'"{version}"', key="another")
    assert (again.status_code, await on_sqlite.actions(number)) == (200, ["register", "dispatch", *["comment"] * 4])


async def test_the_version_comes_before_the_state_and_after_the_person(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    reply = {"message": "好了"}
    problem(await act(on_sqlite, number, "reply", reply, '"1"'), 412, "version-changed")
    problem(await act(on_sqlite, number, "reply", reply, '"2"'), 409, "out-of-turn")
    found = problem(await act(on_sqlite, number, "sign_for", {}, '"1"', by="sun"), 403, "other-department")
    assert "version" not in found


@pytest.mark.parametrize("tag", ["2", '"2', "*, *", '"1" "2"', "", "W/2"])
async def test_what_is_no_entity_tag_is_refused(on_sqlite: Api, tag: str) -> None:
    number = await on_sqlite.case_in("dispatched")
    found = problem(await act(on_sqlite, number, "comment", {"note": "?"}, tag), 422, "invalid-etag")
    assert found["accepted"] == ['"12"', "*", "no If-Match"]


@pytest.mark.parametrize("tag", ['""', 'W/"2"', '"1", ""'])
async def test_a_tag_of_no_version_stands_for_none(on_sqlite: Api, tag: str) -> None:
    number = await on_sqlite.case_in("dispatched")
    problem(await act(on_sqlite, number, "comment", {"note": "?"}, tag), 412, "version-changed")


async def test_an_incident_has_versions_as_well(on_sqlite: Api) -> None:
    body = {"title": "咸潮", "services": ["water_quality"], "districts": ["shenwan"]}
    declared = await on_sqlite.post("/v1/incidents", body, "zhou")
    number = declared.json()["number"]
    assert declared.headers["ETag"] == (await on_sqlite.get(f"/v1/incidents/{number}")).headers["ETag"] == '"1"'
    path, to = f"/v1/incidents/{number}/actions/dispatch", {"department": "network"}

    async def dispatch(tag: str) -> httpx.Response:
        return await on_sqlite.http.post(path, headers={**on_sqlite.key("zhou"), "If-Match": tag}, json=to)

    problem(await dispatch('"2"'), 412, "version-changed")
    answer = await dispatch('"1"')
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
