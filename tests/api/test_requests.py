"""Requests that are wrong before anybody asks what they are about; each is a problem, and each answer has a name."""

import asyncio
import json
import logging
import operator
from collections.abc import AsyncIterator

import httpx
import pytest

from hotline.files.data_folder import ServingLock
from tests.support.api import CALL, Api, further_api, problem
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMIT = 65_536
JSON = {"Content-Type": "application/json"}


async def send(api: Api, content: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
    return await api.http.post("/v1/complaints", content=content, headers={**api.key("chen"), **JSON, **headers})


async def pieces(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * size


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/complaint", "/v1/complaints/2001010000008/history"])
async def test_an_unknown_path_is_a_problem(on_sqlite: Api, path: str) -> None:
    assert path in problem(await on_sqlite.get(path), 404, "not-found")["detail"]


async def test_a_wrong_method_names_the_right_ones(on_sqlite: Api) -> None:
    answer = await on_sqlite.http.put("/v1/complaints", json=CALL, headers=on_sqlite.key("chen"))
    assert problem(answer, 405, "method-not-allowed")["accepted"] == ["GET", "POST"]
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("body", [b"{", b'{"a": 1,}', b"\xff\xfe", b"nothing", b"[" * 60_000])
async def test_what_is_no_json_is_a_bad_request(on_sqlite: Api, body: bytes) -> None:
    answer = await send(on_sqlite, body)
    assert answer.status_code == 400
    assert problem(answer, 400, answer.json()["type"].rpartition(":")[2])


@pytest.mark.parametrize("twice", ["description", "caller.phone"])
async def test_a_key_that_is_given_twice_is_refused(on_sqlite: Api, twice: str) -> None:
    body = {**CALL, "caller": {"phone": "13800138000"}}
    place, _, name = twice.rpartition(".")
    whole = json.dumps(body)
    again = f'"{name}": "again"'
    content = whole.replace('"caller": {', f'"caller": {{{again}, ') if place else f"{{{again}, {whole[1:]}"
    found = problem(await send(on_sqlite, content.encode()), 400, "malformed-json")
    assert found["detail"] == f"The key {name!r} is given several times in one object; accepted: once."
    personal = problem(await send(on_sqlite, '{"李婆婆": 1, "李婆婆": 2}'.encode()), 400, "malformed-json")
    assert "李婆婆" not in personal["detail"]


@pytest.mark.parametrize(
    "sign", ["\ue000", "\uf8ff", "\ufdd0", "\ufffe", "\uffff", "\U0001fffe", "\U000f0000", "\U0010ffff"]
)
async def test_private_use_and_no_characters_are_refused(on_sqlite: Api, sign: str) -> None:
    for given in ({"description": f"家里{sign}没水"}, {"caller": {"name": f"李{sign}"}}):
        found = problem(await send(on_sqlite, json.dumps({**CALL, **given}).encode()), 422, "invalid-request")
        assert "hidden characters" in found["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
async def test_another_kind_of_body_is_told_to_be_json(on_sqlite: Api, kind: str) -> None:
    answer = await send(on_sqlite, json.dumps(CALL).encode(), **{"Content-Type": kind})
    assert "application/json" in problem(answer, 415, "unsupported-media-type")["detail"]


async def test_a_missing_body_says_what_is_missing(on_sqlite: Api) -> None:
    answer = await on_sqlite.http.post("/v1/complaints", headers=on_sqlite.key("chen"))
    assert problem(answer, 422, "invalid-request")["errors"] == [{"field": "body", "message": "Field required"}]


async def test_every_wrong_field_is_named_and_nothing_sent_is_repeated(on_sqlite: Api) -> None:
    wrong = {
        "service_code": "No Tea!",
        "caller": {"phone": "ask李婆婆"},
        "location": {"lat": 91, "lon": 1},
        "extra": "李婆婆",
    }
    answer = await send(on_sqlite, json.dumps(wrong).encode())
    found = problem(answer, 422, "invalid-request")
    assert {fault["field"] for fault in found["errors"]} == {
        "body.service_code",
        "body.caller.phone",
        "body.location.lat",
        "body.location.lon",
        "body.description",
        "body.extra",
    }
    assert "accepted: district, address, lat, lng" in answer.text
    assert "李婆婆" not in answer.text


async def test_an_oversized_body_is_refused_by_its_length(on_sqlite: Api) -> None:
    answer = await send(on_sqlite, b" " * (LIMIT + 1))
    assert str(LIMIT) in problem(answer, 413, "body-too-large")["detail"]


async def test_an_oversized_body_without_a_length_is_refused_when_it_gets_there(on_sqlite: Api) -> None:
    answer = await send(on_sqlite, pieces(1024, 65))
    assert str(LIMIT) in problem(answer, 413, "body-too-large")["detail"]


async def test_a_body_at_the_limit_is_read(on_sqlite: Api) -> None:
    body = json.dumps(CALL).encode()
    assert (await send(on_sqlite, body + b" " * (LIMIT - len(body)))).status_code == 201


async def test_long_answers_are_compressed_and_workbooks_are_as_they_are(on_sqlite: Api) -> None:
    answers = [await on_sqlite.get(path) for path in ("/v1/services", "/docs", "/healthz")]
    answers.append(await on_sqlite.get("/v1/complaints", format="xlsx"))
    assert [answer.headers.get("content-encoding") for answer in answers] == ["gzip", "gzip", None, None]


async def test_an_answer_carries_the_requests_id_and_stays_out_of_caches(on_sqlite: Api) -> None:
    named = await on_sqlite.http.get("/healthz", headers={"X-Request-ID": "call-17"})
    unnamed = await on_sqlite.http.get("/nowhere", headers={"X-Request-ID": "{bad}"})
    assert named.headers["x-request-id"] == "call-17"
    assert len(unnamed.headers["x-request-id"]) == 32
    assert named.headers["cache-control"] == unnamed.headers["cache-control"] == "no-store"
    assert named.headers["x-content-type-options"] == "nosniff"


async def test_a_fault_of_ours_is_logged_and_tells_nothing(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object) -> None:
        raise ValueError("the secret of the service")

    monkeypatch.setattr("api.complaints.cases.get_case", fault)
    with caplog.at_level(logging.ERROR, "hotline.api"):
        answer = await on_sqlite.get("/v1/complaints/2001010000008")
    found = problem(answer, 500, "internal")
    assert found["request_id"] == answer.headers["x-request-id"]
    assert found["request_id"] in caplog.text
    assert "secret" not in answer.text


@pytest.mark.slow
async def test_work_on_many_cases_hears_of_a_request_until_it_is_answered(on_sqlite: Api) -> None:
    """No worker takes the action."""
    async with further_api(on_sqlite, on_sqlite.clock, task_queue="nobody", update_timeout_seconds=1.0) as api:
        number = (await api.register()).json()["number"]
        lock = ServingLock(api.settings.data_dir)

        async def held() -> bool:
            return await asyncio.to_thread(lock.is_held)

        action = asyncio.create_task(api.act(number, "comment", {"note": "urgent"}))
        await until(held, bool)
        assert (await action).status_code == 503
        await until(held, operator.not_)
