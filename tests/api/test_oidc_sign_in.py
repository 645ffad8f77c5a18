"""Sign-in in a browser with an OIDC issuer: authorization code, PKCE, state and nonce."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from activities.sealing.keys import Seal
from api.sign_in.sessions import LONGEST_SESSION
from domain.shared.actors import Role
from hotline.keys import Ring
from tests.support.api import Api, further_api, problem
from tests.support.browsing import browser
from tests.support.issuer import AUDIENCE, CLIENT, CLIENT_SECRET, TOKEN, Issuer, running_issuer
from tests.support.sessions import cookie, session

pytestmark = pytest.mark.asyncio(loop_scope="session")

PEOPLE: dict[str, dict[str, Any]] = {
    "mei": {"sub": "10482", "name": "May", "hotline_role": "supervisor"},
    "liang": {"sub": "20117", "hotline_role": "crew", "hotline_department": "metering"},
    "stranger": {"sub": "99999", "hotline_role": "admin"},
    "ghost": {"sub": "10482"},
    "gone": {"sub": "30001", "hotline_role": "agent"},
}
BEGIN, BACK = "/sign-in/oidc", "/sign-in/oidc/callback"


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as made:
        made.people = PEOPLE
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def api(on_sqlite: Api, issuer: Issuer) -> AsyncIterator[Api]:
    on_sqlite.directory.enter("10482", Role.AGENT, name="陈美玲")
    on_sqlite.directory.enter("20117", Role.CREW, "repair")
    if on_sqlite.directory.read().has_had("30001") is False:
        on_sqlite.directory.enter("30001", Role.AGENT)
        on_sqlite.directory.leave("30001")
    async with api_of(on_sqlite, issuer) as made:
        yield made


@asynccontextmanager
async def api_of(on_sqlite: Api, issuer: Issuer, **changes: Any) -> AsyncIterator[Api]:
    """An API process whose people sign in at the issuer; codes lead back to it wherever the issuer sends them."""
    usual = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "public_url": "http://127.0.0.1:1"}
    client = {"oidc_client_id": CLIENT, "oidc_client_secret": CLIENT_SECRET}
    async with further_api(on_sqlite, on_sqlite.clock, None, **{**usual, **client, **changes}) as made:
        yield made


async def led(made: httpx.AsyncClient, to: str = "/temporal/x") -> str:
    """Sign in at the issuer; return the address to which it leads back, as a path."""
    begun = await made.get(BEGIN, params={"to": to})
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient(trust_env=False) as http:
        back = httpx.URL((await http.get(begun.headers["location"])).headers["location"])
    assert (back.host, back.port, back.path) == ("127.0.0.1", 1, BACK)
    return back.raw_path.decode()


async def test_the_issuer_signs_in_a_person_of_the_directory(api: Api, issuer: Issuer) -> None:
    """Role and department are the token's, the name is the directory's."""
    for name, role, department, shown in (
        ("mei", Role.SUPERVISOR, None, "陈美玲"),
        ("liang", Role.CREW, "metering", ""),
    ):
        issuer.here = name
        async with browser(api) as made:
            assert f"{BEGIN}?to=/desk" in (await made.get("/sign-in")).text
            answer = await made.get(await led(made), headers={"Sec-Fetch-Site": "cross-site"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/temporal/x")
            opened = session(api, made.cookies["hotline"])
            assert "hotline-oidc" not in made.cookies
        assert opened is not None
        actor = opened.actor
        assert (actor.id, actor.name, actor.role) == (PEOPLE[name]["sub"], shown, role)
        assert (actor.department, opened.scope) == (department, "all")
        assert opened.ends_at - opened.began_at == LONGEST_SESSION
    issuer.here = "mei"


async def test_a_public_client_has_no_secret(on_sqlite: Api, api: Api, issuer: Issuer) -> None:
    issuer.is_public = True
    async with api_of(on_sqlite, issuer, oidc_client_secret="") as public, browser(public) as made:
        assert (await made.get(await led(made))).status_code == 303
    async with browser(api) as made:
        assert (await made.get(await led(made))).status_code == 401


async def test_a_code_counts_once_and_in_the_browser_that_asked_for_it(api: Api, issuer: Issuer) -> None:
    async with browser(api) as mine, browser(api) as other:
        back = await led(mine)
        handshake = dict(mine.cookies)
        for made, path in ((other, back), (mine, f"{back}x"), (mine, BACK), (mine, f"{BACK}?error=access_denied")):
            refused = await made.get(path)
            assert (refused.status_code, "请重新开始" in refused.text) == (401, True)
            assert "hotline" not in made.cookies
            assert not issuer.requests[TOKEN]
            mine.cookies.update(handshake)
        # Another sign-in of the same browser, whose state is another.
        await led(other)
        assert (await other.get(back)).status_code == 401
        assert (await mine.get(back)).status_code == 303
        mine.cookies.update(handshake)
        again = await mine.get(back)
        assert again.status_code == 401
        assert "set-cookie" in again.headers
        assert session(api, cookie(again).value) is None


async def test_a_code_of_somebody_else_is_not_taken_for_ones_own(api: Api) -> None:
    """A code with the state of this browser: PKCE, and the nonce of its ID token, are of the other one."""
    async with browser(api) as mine, browser(api) as other:
        back, theirs = await led(mine), await led(other)
        state = httpx.URL(back).params["state"]
        forged = str(httpx.URL(theirs).copy_set_param("state", state))
        assert (await mine.get(forged)).status_code == 401
        assert "hotline" not in mine.cookies


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": AUDIENCE},
        {"aud": [CLIENT, "other"], "azp": "other"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": "20117"},
    ],
)
async def test_an_id_token_of_another_sign_in_is_refused(api: Api, issuer: Issuer, claims: dict[str, Any]) -> None:
    issuer.id_claims = claims
    async with browser(api) as made:
        assert (await made.get(await led(made))).status_code == 401
        assert "hotline" not in made.cookies
    issuer.id_claims = {"aud": [CLIENT, "other"], "azp": CLIENT}
    async with browser(api) as made:
        assert (await made.get(await led(made))).status_code == 303


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stranger", "hotline person add"),
        ("gone", "hotline person add"),
        ("ghost", "hotline_role of the token names no"),
    ],
)
async def test_who_is_not_in_the_directory_or_has_no_role_is_told_what_to_do(
    api: Api, issuer: Issuer, name: str, words: str
) -> None:
    issuer.here = name
    async with browser(api) as made:
        refused = await made.get(await led(made))
        assert (refused.status_code, words in refused.text) == (403, True)
        assert "hotline" not in made.cookies
    issuer.here = "mei"


async def test_an_issuer_that_is_away_is_told_and_leaves_the_keys(api: Api, issuer: Issuer) -> None:
    async with browser(api) as made:
        back = await led(made)
        await issuer.stop()
        refused = await made.get(back)
        assert (refused.status_code, "没有应答" in refused.text) == (503, True)
        assert refused.headers["retry-after"] == "10"
        assert (await made.post("/sign-in", data={"key": api.tokens["chen"]})).status_code == 303
        await issuer.restart()


@pytest.mark.parametrize("endpoint", ["", "http://evil.example/authorize", "javascript:alert(1)"])
async def test_an_issuer_without_a_safe_page_signs_nobody_in(on_sqlite: Api, issuer: Issuer, endpoint: str) -> None:
    issuer.described = {"authorization_endpoint": endpoint}
    async with api_of(on_sqlite, issuer) as made:
        problem(await made.http.get(BEGIN), 503, "issuer-unavailable")


async def test_many_forged_codes_of_one_address_are_refused_and_ask_the_issuer_nothing(
    on_sqlite: Api, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async with api_of(on_sqlite, issuer, guesses_per_minute=3) as made, browser(made) as page:
        with caplog.at_level(logging.WARNING, "hotline.api"):
            answers = [await page.get(BACK, params={"code": "x", "state": "y"}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    assert not issuer.requests[TOKEN]
    assert "address 127.0.0.1 sends wrong sign-ins" in [record.getMessage() for record in caplog.records]


async def test_a_sign_in_at_the_issuer_leads_to_no_other_site(api: Api) -> None:
    async with browser(api) as made:
        answer = await made.get(await led(made, "//evil.example/"))
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")


async def test_a_handshake_is_no_session_and_ends_soon(api: Api) -> None:
    async with browser(api) as made:
        begun = cookie(await made.get(BEGIN))
        assert (begun.key, begun["samesite"], begun["httponly"]) == ("hotline-oidc", "lax", True)
        assert int(begun["max-age"]) == 600
        assert session(api, begun.value) is None


@pytest.mark.parametrize(("seconds", "status"), [(599, 303), (600, 401)])
async def test_a_handshake_that_was_kept_ends_as_well(api: Api, issuer: Issuer, seconds: int, status: int) -> None:
    asked = issuer.requests[TOKEN]
    async with browser(api) as made:
        api.clock.fixed = datetime.now(UTC)
        try:
            back = await led(made)
            api.clock.fixed += timedelta(seconds=seconds)
            assert (await made.get(back)).status_code == status
        finally:
            api.clock.fixed = None
    assert issuer.requests[TOKEN] == asked + (status == 303)


async def test_a_handshake_of_another_release_is_none(api: Api) -> None:
    async with browser(api) as made:
        back = await led(made)
        sealed = Seal(Ring(api.settings.keys_file), "oidc").close(b'{"state": "x"}')
        refused = await made.get(back, headers={"Cookie": f"hotline-oidc={sealed}"})
        assert (refused.status_code, "请重新开始" in refused.text) == (401, True)


async def test_without_a_client_there_is_no_way_to_the_issuer(on_sqlite: Api, issuer: Issuer) -> None:
    async with api_of(on_sqlite, issuer, oidc_client_id="") as made, browser(made) as page:
        assert BEGIN not in (await page.get("/sign-in")).text
        assert [(await page.get(path)).status_code for path in (BEGIN, BACK)] == [404, 404]
