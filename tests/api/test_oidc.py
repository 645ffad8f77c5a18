"""Sign-in with an OIDC issuer, from its token endpoint to the timeline of a case."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from domain.shared.actors import Role
from hotline.cli.main import openapi
from tests.support.api import CALL, Api, further_api, problem
from tests.support.issuer import AUDIENCE, Issuer, running_issuer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PEOPLE: dict[str, dict[str, Any]] = {
    "mei": {"sub": "10482", "name": "陈美玲", "hotline_role": "agent"},
    "liang": {"sub": "20117", "hotline_role": ["crew", "staff"], "hotline_department": "repair"},
    "dong": {"sub": "20118", "hotline_role": "crew", "hotline_department": "metering"},
    "ghost": {"sub": "30000"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as made:
        made.people = PEOPLE
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def api(on_sqlite: Api, issuer: Issuer) -> AsyncIterator[Api]:
    changes: dict[str, Any] = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "guesses_per_minute": 20}
    async with further_api(on_sqlite, on_sqlite.clock, **changes) as made:
        made.tokens = {**made.tokens, **{name: await issuer.token(name) for name in PEOPLE}}
        yield made


async def knock(api: Api, token: str) -> httpx.Response:
    return await api.http.get("/v1/services", headers={"Authorization": f"Bearer {token}"})


async def test_a_person_with_a_token_takes_a_complaint_and_a_crew_works_on_it(api: Api) -> None:
    number = (await api.register(by="mei")).json()["number"]
    assert (await api.act(number, "dispatch", {"department": "repair"}, "zhou")).status_code == 200
    problem(await api.act(number, "sign_for", {}, "dong"), 403, "other-department")
    assert (await api.act(number, "sign_for", {}, "liang")).status_code == 200
    problem(await api.act(number, "supervise", {}, "mei"), 403, "wrong-role")
    case = await api.complaint(number)
    assert (case["owner"], case["state"]) == ("10482", "in_progress")
    events = (await api.get(f"/v1/complaints/{number}/timeline")).json()["items"]
    assert [(event["actor"], event["role"]) for event in events] == [
        ("10482", "agent"),
        ("zhou", "dispatcher"),
        ("20117", "crew"),
    ]


async def test_the_same_id_is_the_same_person_by_key_and_by_token(api: Api, issuer: Issuer) -> None:
    first = await api.register(by="chen", key="one-call")
    api.tokens["chen's token"] = issuer.sign(sub="chen", hotline_role="agent")
    assert (await api.register(by="chen's token", key="one-call")).json()["number"] == first.json()["number"]


async def test_who_has_left_is_refused_though_the_issuer_goes_on_signing(api: Api, issuer: Issuer) -> None:
    api.directory.enter("30002", Role.AGENT)
    await api.backend.people.read_anew()
    token = issuer.sign(sub="30002", hotline_role="agent")
    assert (await knock(api, token)).status_code == 200
    api.directory.leave("30002")
    await api.backend.people.read_anew()
    found = problem(await knock(api, token), 401, "invalid-token")
    assert found["detail"] == "30002 has left."


async def test_a_bad_token_is_refused_in_words_and_in_the_header(api: Api, issuer: Issuer) -> None:
    answer = await knock(api, issuer.sign(hotline_role="agent", exp=1))
    assert problem(answer, 401, "invalid-token")["detail"] == "The access token has expired."
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="hotline", error="invalid_token", error_description="The access token has expired."'
    )
    problem(
        await api.http.post("/v1/complaints", json=CALL, headers={"Authorization": "Bearer x.y.z"}),
        401,
        "invalid-token",
    )
    assert problem(await api.get("/v1/services", "ghost"), 403, "no-role")["accepted"][0] == "agent"


async def test_many_bad_tokens_of_one_address_are_told_and_refused(
    api: Api, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    bad = issuer.sign(hotline_role="agent", aud="payroll")
    with caplog.at_level(logging.WARNING, "hotline.api"):
        statuses = [(await knock(api, bad)).status_code for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    assert (await api.get("/v1/services", "mei")).status_code == 200
    # A token without a role is nobody's guess.
    assert (await api.get("/v1/services", "ghost")).status_code == 403
    assert "address 127.0.0.1 sends wrong tokens" in caplog.messages
    assert bad not in caplog.text


async def test_without_the_issuer_keys_of_the_service_go_on(api: Api, issuer: Issuer) -> None:
    await issuer.stop()
    answer = await api.get("/v1/services", "mei")
    assert "does not answer" in problem(answer, 503, "issuer-unavailable")["detail"]
    assert answer.headers["retry-after"] == "10"
    assert (await api.get("/v1/services", "chen")).status_code == 200


async def test_who_sends_nothing_is_told_of_both_ways_in(api: Api, issuer: Issuer) -> None:
    detail = problem(await api.http.get("/v1/services"), 401, "unauthorized")["detail"]
    assert detail.endswith(f"Bearer hk_..., or an access token of {issuer.url}")


@pytest.mark.slow
async def test_the_interface_tells_of_tokens_where_they_are_accepted(
    api: Api, on_sqlite: Api, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, plain = api.app.openapi(), on_sqlite.app.openapi()
    scheme = document["components"]["securitySchemes"]["openIdConnect"]
    assert scheme["openIdConnectUrl"] == f"{issuer.url}/.well-known/openid-configuration"
    assert document["paths"]["/v1/complaints"]["post"]["security"] == [{"apiKey": []}, {"openIdConnect": []}]
    assert plain["paths"]["/v1/complaints"]["post"]["security"] == [{"apiKey": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert "openIdConnect" not in plain["components"]["securitySchemes"]
    for name, value in (("ISSUER", issuer.url), ("AUDIENCE", AUDIENCE)):
        monkeypatch.setenv(f"HOTLINE_OIDC_{name}", value)
    assert json.loads(CliRunner().invoke(openapi, []).stdout) == document


async def test_without_an_issuer_a_token_is_a_malformed_key(on_sqlite: Api, issuer: Issuer) -> None:
    problem(await knock(on_sqlite, await issuer.token("mei")), 401, "malformed-key")
