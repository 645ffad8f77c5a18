"""Access to the API: whom it answers, and what other sites get of it."""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from limits import RateLimitItemPerMinute

from api.temporal.client import IncidentClient
from domain.incident.state import Opening
from domain.shared.actors import Role
from hotline.settings import Settings, hosts_of
from tests.support.api import Agreed, Api, Clock, further_api, problem

pytestmark = pytest.mark.asyncio(loop_scope="session")


NOT_OURS = ["evil.example", "127.0.0.1.evil.example:80", "localhost.", "[", "127.0.0.2", "a b"]
NO_HOST = [f"127.0.0.1{rest}" for rest in ("/x", "?x", "#x", ":x", ":", ":65536")] + ["evil@127.0.0.1", "::1", "[::1"]


PATHS = ["/v1/complaints", "/openapi.json", "/docs", "/metrics", "/c/x", "/sign-in", "/temporal/", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", NOT_OURS + NO_HOST)
async def test_a_request_for_another_name_is_refused(on_sqlite: Api, path: str, host: str) -> None:
    answer = await on_sqlite.http.get(path, headers={"Host": host, **on_sqlite.key("chief")})
    found = problem(answer, 421, "wrong-host")
    assert found["accepted"] == ["127.0.0.1", "::1", "localhost"]
    assert "evil" not in answer.text


async def test_every_name_must_be_one_of_the_service(on_sqlite: Api) -> None:
    parts = urlsplit(on_sqlite.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 421 ")
    writer.close()


async def test_a_request_of_http_1_1_names_the_service(on_sqlite: Api) -> None:
    parts = urlsplit(on_sqlite.url)
    for version, status in ((b"1.1", b"400"), (b"1.0", b"200")):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /healthz HTTP/%s\r\nConnection: close\r\n\r\n" % version)
        assert (await reader.read()).startswith(b"HTTP/1.1 %s " % status)
        writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:8080"])
async def test_a_request_for_a_name_of_the_service_is_answered(on_sqlite: Api, host: str) -> None:
    assert (await on_sqlite.http.get("/healthz", headers={"Host": host})).status_code == 200


async def test_no_answer_redirects_to_what_was_asked_for(on_sqlite: Api) -> None:
    for path in ("/v1/complaints/", "/v1/services/", "/healthz/", "//evil.example/v1/complaints"):
        answer = await on_sqlite.http.get(f"{on_sqlite.url}{path}", headers=on_sqlite.key("chief"))
        assert (answer.status_code, answer.headers.get("location")) == (404, None)


async def test_no_other_site_may_read_or_frame_an_answer(on_sqlite: Api) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET"):
        answer = await on_sqlite.http.request(method, "/v1/services", headers=asked | on_sqlite.key("chief"))
        assert [name for name in answer.headers if name.startswith("access-control-")] == []
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_the_names_of_the_service_come_from_its_settings() -> None:
    loopback = {"localhost", "127.0.0.1", "::1"}
    assert hosts_of(Settings()) == loopback
    everywhere = Settings(api_host="0.0.0.0", public_url="https://Hotline.example", allowed_hosts="probe, 10.0.0.7")  # noqa: S104 - nothing is bound
    assert hosts_of(everywhere) == loopback | {"hotline.example", "probe", "10.0.0.7"}


async def test_many_wrong_keys_of_one_address_are_told_and_refused(
    on_sqlite: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """A right key of the same address goes on: behind a proxy many share one."""
    async with further_api(on_sqlite, on_sqlite.clock, guesses_per_minute=5) as made:
        wrong = f"Bearer hk_00000000_{'x' * 43}"
        with caplog.at_level(logging.WARNING, "hotline.api"):
            for header, slug in ((wrong, "unauthorized"), ("Bearer letmein", "malformed-key")) * 2:
                problem(await made.http.get("/v1/services", headers={"Authorization": header}), 401, slug)
            statuses = [
                (await made.http.get("/v1/services", headers={"Authorization": wrong})).status_code for _ in range(9)
            ]
        assert statuses == [401] + [429] * 8
        refused = await made.http.get("/v1/services", headers={"Authorization": wrong})
        assert "limit of 5 wrong keys" in problem(refused, 429, "too-many-guesses")["detail"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await made.get("/v1/services")).status_code == 200
    assert [record.getMessage() for record in caplog.records if "sends" in record.getMessage()] == [
        "address 127.0.0.1 sends wrong keys",
        "address 127.0.0.1 sends malformed keys",
    ]


async def test_many_guessed_links_of_one_address_are_told_and_refused(
    on_sqlite: Api, caplog: pytest.LogCaptureFixture
) -> None:
    async with further_api(on_sqlite, on_sqlite.clock, guesses_per_minute=3) as made:
        with caplog.at_level(logging.WARNING, "hotline.api"):
            answers = [await made.http.get(f"/c/guess-{place}") for place in range(5)]
        assert [answer.status_code for answer in answers] == [404] * 3 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        number = await made.case_in("registered")
        assert (await made.http.get(made.link(number))).status_code == 200
    assert [record.getMessage() for record in caplog.records] == [
        "address 127.0.0.1 sends unknown links",
        "address 127.0.0.1 has reached the limit of 3 wrong keys or links within a minute",
    ]


async def test_many_requests_of_one_person_are_told_and_refused(
    on_sqlite: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """Others go on, and so does an administrator, whose key imports."""
    number = await on_sqlite.case_in("dispatched")
    async with further_api(on_sqlite, on_sqlite.clock, writes_per_minute=3, reads_per_minute=4) as made:
        with caplog.at_level(logging.WARNING, "hotline.api"):
            written = [await made.register() for _ in range(5)]
            read = [await made.get(f"/v1/complaints/{number}", by="wu") for _ in range(6)]
        assert [answer.status_code == 429 for answer in written] == [False] * 3 + [True] * 2
        assert [answer.status_code for answer in read] == [200] * 4 + [429] * 2
        for refused in (written[-1], read[-1]):
            problem(refused, 429, "too-many-requests")
            assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await made.register(by="li")).status_code == 201
        assert [(await made.register(by="chief")).status_code for _ in range(5)] == [201] * 5
    assert [record.getMessage() for record in caplog.records] == [
        "person chen has reached the limit of 3 requests that change something within a minute",
        "person wu has reached the limit of 4 requests that read within a minute",
    ]


@pytest.mark.slow
async def test_by_default_nobody_registers_300_within_a_minute(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 registrations in 9 s by one key were all taken. A busy machine needs longer than the minute for them."""
    monkeypatch.setattr(RateLimitItemPerMinute, "get_expiry", lambda _: 3600)
    defaults = {name: Settings.model_fields[name].default for name in ("writes_per_minute", "reads_per_minute")}
    async with further_api(on_sqlite, on_sqlite.clock, None, **defaults) as made:
        answers = [await made.register({"service_code": "no_water"}) for _ in range(300)]
    counts = Counter(answer.status_code for answer in answers)
    assert counts == {422: defaults["writes_per_minute"], 429: 300 - defaults["writes_per_minute"]}
    assert defaults["writes_per_minute"] < 300


async def test_many_actions_on_one_case_are_refused_whoever_acts(
    on_sqlite: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """Each may notify the same people. What the case refuses does not count, or a stranger could lock others out."""
    numbers = [await on_sqlite.case_in("dispatched") for _ in range(2)]
    async with further_api(on_sqlite, on_sqlite.clock, actions_per_case=3) as made:
        refused = [await made.act(numbers[0], "complete", {"result": "?"}, by="zhou") for _ in range(5)]
        assert {answer.status_code for answer in refused} == {403}
        with caplog.at_level(logging.WARNING, "hotline.api"):
            people = ("xu", "chen", "chief", "li", "chief")
            urged = await asyncio.gather(*(made.act(numbers[0], "urge", by=person) for person in people))
        assert sorted(answer.status_code for answer in urged) == [200] * 3 + [429] * 2
        last = await made.act(numbers[0], "urge", by="chief")
        problem(last, 429, "too-many-actions")
        assert 1 <= int(last.headers["retry-after"]) <= 60
        assert (await made.act(numbers[1], "urge", by="chief")).status_code == 200
    assert (await on_sqlite.actions(numbers[0])).count("urge") == 3
    assert [record.getMessage() for record in caplog.records] == [
        f"case {numbers[0]} has reached the limit of 3 actions within a minute"
    ]


async def test_a_caller_does_not_use_up_what_the_staff_may_do(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    async with further_api(on_sqlite, on_sqlite.clock, actions_per_case=2) as made:
        said = [await made.http.post(made.link(number), data={"act": "comment", "words": str(n)}) for n in range(4)]
        assert [answer.status_code for answer in said[:2]] == [200] * 2
        assert (await made.act(number, "dispatch", {"department": "repair"}, "zhou")).status_code == 200
    assert (await on_sqlite.actions(number)).count("comment") == 2


@pytest.mark.slow
async def test_zero_is_no_limit(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    async with further_api(on_sqlite, on_sqlite.clock, actions_per_case=0, reads_per_minute=0) as made:
        assert {(await made.act(number, "urge", by="chief")).status_code for _ in range(40)} == {200}
        assert (await made.get(f"/v1/complaints/{number}", by="wu")).status_code == 200


async def test_nobody_waits_for_what_somebody_else_declares(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.edge.limits.LOCK_WAIT_SECONDS", 0.3)
    scope = {"services": ["no_water"], "districts": ["banfu"], "title": "爆管停水 burst main"}
    asked, answers, start = asyncio.Event(), asyncio.Event(), IncidentClient.start

    async def late(client: IncidentClient, opening: Opening, *rest: Any) -> Any:
        if opening.actor.id == "xu":
            asked.set()
            await answers.wait()
        return await start(client, opening, *rest)

    monkeypatch.setattr(IncidentClient, "start", late)
    async with further_api(on_sqlite, Clock(datetime.now(UTC)), Agreed(), incidents_per_hour=10_000) as made:
        declaring = asyncio.create_task(made.post("/v1/incidents", scope, "xu"))
        await asked.wait()
        assert (await made.post("/v1/incidents", scope, "chief")).status_code == 201
        problem(await made.post("/v1/incidents", scope, "xu"), 503, "no-answer-in-time")
        answers.set()
        assert (await declaring).status_code == 201


async def test_a_person_declares_ten_incidents_an_hour(on_sqlite: Api) -> None:
    """Also by several API processes; what was declared is answered again under its key, and administrators go on."""
    scope = {"services": ["no_water"], "districts": ["banfu"], "title": "爆管停水 burst main"}
    tokens = on_sqlite.tokens | {"hasty": on_sqlite.directory.enter("hasty", Role.DISPATCHER, None)}
    clock, most = Clock(datetime.now(UTC)), Settings.model_fields["incidents_per_hour"].default
    async with (
        further_api(on_sqlite, clock, Agreed(), incidents_per_hour=most) as one,
        further_api(on_sqlite, clock, Agreed(), incidents_per_hour=most) as other,
    ):
        one.tokens = other.tokens = tokens
        await one.post("/v1/incidents", scope, "hasty", "first")
        at_once = await asyncio.gather(*(one.post("/v1/incidents", scope, "hasty") for _ in range(most + 2)))
        assert Counter(each.status_code for each in at_once) == {201: most - 1, 429: 3}
        refused = await other.post("/v1/incidents", scope, "hasty")
        found = problem(refused, 429, "too-many-incidents")
        assert f"{most} incidents at most within an hour" in found["detail"]
        assert 3500 < int(refused.headers["retry-after"]) <= 3600
        assert (await other.post("/v1/incidents", scope, "hasty", "first")).status_code == 201
        assert (await other.post("/v1/incidents", scope, "chief")).status_code == 201
        assert clock.fixed
        clock.fixed += timedelta(hours=1)
        assert (await other.post("/v1/incidents", scope, "hasty")).status_code == 201
