"""Sign-in by key: what a session is, how it ends, and whom it does not let in."""

import logging
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from starlette.requests import Request

from activities.sealing.keys import Seal
from api.sign_in.sessions import LONGEST_SESSION, Session
from domain.shared.actors import Role
from hotline.keys import Ring, ring_of
from tests.support.api import CALL, Api, further_api, problem
from tests.support.browser import launched, needs_chromium
from tests.support.browsing import browser, signed_in, text_of
from tests.support.directory import Directory
from tests.support.hotline import until
from tests.support.rings import ring_at
from tests.support.sessions import cookie, session

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACTION = "/sign-in"


def now() -> datetime:
    return datetime.now(UTC)


async def began(api: Api, key: str) -> str:
    """Return the cookie of a sign-in with this key."""
    async with browser(api) as made:
        return cookie(await made.post(ACTION, data={"key": key})).value


async def test_a_key_begins_a_session_of_its_person(on_both: Api) -> None:
    began_at = now()
    async with browser(on_both) as made:
        assert "chen" not in (await made.get(ACTION)).text
        answer = await made.post(ACTION, data={"key": f" {on_both.tokens['chen']}\n", "to": "/temporal/x?y=1"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/temporal/x?y=1")
        page = await made.get(ACTION)
        assert page.status_code == 200
        assert "Signed in as chen, agent" in page.text
        assert '<a href="/desk">继续' in page.text
    given = cookie(answer)
    assert (given.key, given["path"], given["samesite"]) == ("hotline", "/", "lax")
    assert (given["httponly"], given["secure"]) == (True, "")
    assert 0 < int(given["max-age"]) <= LONGEST_SESSION.total_seconds() == 12 * 3600
    opened = session(on_both, given.value)
    assert opened is not None
    assert (opened.actor.id, opened.actor.role, opened.scope) == ("chen", Role.AGENT, "all")
    assert began_at <= opened.began_at
    assert opened.ends_at == opened.began_at + LONGEST_SESSION
    assert "chen" not in str(urlsafe_b64decode(f"{given.value}=="))


async def test_the_page_marks_what_is_english(on_sqlite: Api) -> None:
    """So that a screen reader speaks each language as its own."""
    async with browser(on_sqlite) as made:
        pages = [await made.get(ACTION), await made.post(ACTION, data={"key": "hk_unknown"})]
        await made.post(ACTION, data={"key": on_sqlite.tokens["chen"]})
        pages.append(await made.get(ACTION))
    for page in pages:
        body, marked = page.text.partition("<body>")[2], r'<(\w+) lang="en">.*?</\1>'
        assert not re.search("[A-Z]", text_of(re.sub(marked, "", body, flags=re.DOTALL)))


async def test_over_tls_the_cookie_is_of_this_host_alone(on_sqlite: Api) -> None:
    async with further_api(on_sqlite, now, public_url="https://hotline.example") as api, browser(api) as made:
        given = cookie(await made.post(ACTION, data={"key": api.tokens["chen"]}))
        assert (given.key, given["secure"], given["path"], given["domain"]) == ("__Host-hotline", True, "/", "")
        assert session(api, given.value, "__Host-hotline") is not None
        # A site beside this one, or a network without TLS, could set that name.
        assert session(api, given.value) is None


@pytest.mark.parametrize(("hours", "lasts"), [(1, timedelta(hours=1)), (48, LONGEST_SESSION)])
async def test_a_session_is_never_longer_than_twelve_hours_or_its_key(
    on_sqlite: Api, hours: int, lasts: timedelta
) -> None:
    _, key = on_sqlite.directory.issue("kuang", Role.AGENT, expires_at=now() + timedelta(hours=hours))
    text = await began(on_sqlite, key)
    opened = session(on_sqlite, text)
    assert opened is not None
    assert opened.ends_at - opened.began_at <= lasts
    for at, is_open in ((opened.ends_at - timedelta(seconds=1), True), (opened.ends_at, False)):
        async with further_api(on_sqlite, lambda at=at: at) as later:  # type: ignore[misc]  # mypy knows no default of a lambda
            assert (session(later, text) is not None) is is_open


async def test_while_no_key_seals_a_sign_in_is_answered_that_an_operator_is_needed(on_sqlite: Api) -> None:
    """The other processes of the service have other keys."""
    ring = ring_of(on_sqlite.settings)
    ring.share([{"00000000"}])
    try:
        async with browser(on_sqlite) as made:
            answer = await made.post(ACTION, data={"key": on_sqlite.tokens["chief"]})
    finally:
        ring.share([])
    assert "/readyz says" in problem(answer, 503, "operator-needed")["detail"]


async def test_the_session_of_a_key_for_reading_says_so(on_sqlite: Api) -> None:
    opened = session(on_sqlite, await began(on_sqlite, on_sqlite.directory.enter("kuang", Role.AGENT, scope="read")))
    assert opened is not None
    assert opened.scope == "read"


async def test_no_forged_or_foreign_text_is_a_session(on_sqlite: Api, tmp_path: Path) -> None:
    text = await began(on_sqlite, on_sqlite.tokens["chief"])
    opened = session(on_sqlite, text)
    assert opened is not None
    content = opened.model_dump_json().encode()
    ours = Ring(on_sqlite.settings.keys_file)
    assert session(on_sqlite, Seal(ours, "session").close(content)) == opened
    raw = bytearray(urlsafe_b64decode(f"{text}=="))
    raw[len(raw) // 2] ^= 1
    forged = [
        "",
        "x",
        "é",
        text[:-1],
        text[: len(text) // 2],
        f"{text}A",
        f"{text}==",
        urlsafe_b64encode(raw).decode().rstrip("="),
        urlsafe_b64encode(content).decode(),
        on_sqlite.link("2026000000017").rpartition("/")[2],
        Seal(ours, "oidc").close(content),
        Seal(ours, "session").close(b"{}"),
        Seal(ring_at(tmp_path / "keys.json"), "session").close(content),
    ]
    assert [session(on_sqlite, each) for each in forged] == [None] * len(forged)
    async with browser(on_sqlite) as made:
        for each in filter(str.isascii, forged):
            page = await made.get(ACTION, headers={"Cookie": f"hotline={each}"})
            assert (page.status_code, "Signed in" in page.text) == (200, False)


async def test_sign_out_ends_every_session_of_the_person_in_every_process(on_both: Api) -> None:
    async with (
        further_api(on_both, now, people_seconds=0.2) as other,
        signed_in(on_both, "chen") as here,
        signed_in(other, "chen") as there,
        signed_in(other, "li") as colleague,
    ):
        kept = here.cookies["hotline"]
        assert session(other, kept) is not None
        answer = await here.post("/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, ACTION)
        assert (cookie(answer).key, cookie(answer).value) == ("hotline", "")
        # Sent again, and from the other browser: at once in this process, and soon in the other.
        assert session(on_both, kept) is session(on_both, there.cookies["hotline"]) is None
        await until(lambda: there.get(ACTION), lambda page: "Signed in" not in page.text)
        assert session(other, kept) is None
        assert "Signed in as li" in (await colleague.get(ACTION)).text
        assert (await there.post("/sign-out")).status_code == 303
        async with signed_in(on_both, "chen") as again:
            assert "Signed in as chen" in (await again.get(ACTION)).text


async def test_a_sign_in_counts_right_after_a_sign_out_or_revocation_in_another_process(on_both: Api) -> None:
    async with further_api(on_both, now, people_seconds=300) as other, signed_in(other, "chen"):
        async with signed_in(on_both, "chen") as made:
            await made.post("/sign-out")
        async with signed_in(other, "chen") as made:
            kept = made.cookies["hotline"]
            assert session(on_both, kept) is not None
            assert session(other, kept) is not None
        key, token = on_both.directory.issue("chen", Role.AGENT)
        assert (await began(other, token)) != ""
        on_both.directory.revoke(key.id)
        async with browser(other) as made:
            assert (await made.post(ACTION, data={"key": token})).status_code == 401


LOSSES: dict[str, Callable[[Directory, str, str], Any]] = {
    "revoked": lambda directory, _, key: directory.revoke(key),
    "rotated": lambda directory, _, key: directory.rotate(key, hours=24),
    "left": lambda directory, person, _: directory.leave(person),
    "back": lambda directory, person, _: (directory.leave(person), directory.change(person, left_at=None)),
    "role": lambda directory, person, _: directory.change(person, role=Role.DISPATCHER),
    "department": lambda directory, person, _: directory.change(person, department="metering"),
    "districts": lambda directory, person, _: directory.change(person, districts=("west",)),
}
"""Changes that end the sessions of a person."""


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_session_ends_with_the_rights_that_it_began_with(on_both: Api, loss: str) -> None:
    person = f"kuang-{loss}"
    key, token = on_both.directory.issue(person, Role.CREW, "repair")
    text = await began(on_both, token)
    async with further_api(on_both, now, people_seconds=0.2) as other:
        assert session(other, text) is not None

        async def opened() -> Session | None:
            return session(other, text)

        LOSSES[loss](on_both.directory, person, key.id)
        await until(opened, lambda found: found is None)


async def test_a_new_name_or_telephone_ends_no_session(on_sqlite: Api) -> None:
    text = await began(on_sqlite, on_sqlite.directory.enter("kuang", Role.AGENT))
    on_sqlite.directory.change("kuang", name="邝小明", phone="13800138000")
    on_sqlite.directory.enter("kuang", Role.AGENT)
    await on_sqlite.backend.people.read_anew()
    assert session(on_sqlite, text) is not None


async def test_a_person_who_is_no_longer_known_has_no_session(on_sqlite: Api, tmp_path: Path) -> None:
    text = await began(on_sqlite, on_sqlite.tokens["chen"])
    nobody, file = f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "people.json"
    async with further_api(on_sqlite, now, database_url=nobody, people_file=file) as other:
        assert session(other, text) is None


async def test_a_session_is_no_authority_on_the_interface(on_sqlite: Api) -> None:
    async with signed_in(on_sqlite, "chief", Accept="application/json") as made:
        problem(await made.get("/v1/complaints"), 401, "unauthorized")
        problem(await made.post("/v1/complaints", json=CALL), 401, "unauthorized")


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "", "Origin": "null"},
    {"Sec-Fetch-Site": "", "Origin": "http://127.0.0.1:1"},
]
"""Headers that a browser sends with what a page of another site wants."""


@pytest.mark.parametrize(("scheme", "status"), [("http", 403), ("https", 303)])
async def test_over_tls_a_page_without_it_is_of_another_site(on_sqlite: Api, scheme: str, status: int) -> None:
    """Whoever answers for the service's name without TLS makes pages of that origin."""
    headers = {"Sec-Fetch-Site": "", "Host": "hotline.example", "Origin": f"{scheme}://hotline.example"}
    async with further_api(on_sqlite, now, public_url="https://hotline.example") as api, browser(api) as made:
        answer = await made.post(ACTION, data={"key": api.tokens["chen"]}, headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (status, status == 303)


@pytest.mark.parametrize("headers", FOREIGN)
async def test_another_site_signs_nobody_in_or_out(on_sqlite: Api, headers: dict[str, str]) -> None:
    async with browser(on_sqlite) as made:
        answer = await made.post(ACTION, data={"key": on_sqlite.tokens["chen"]}, headers=headers)
        assert (answer.status_code, answer.headers.get("set-cookie")) == (403, None)
        assert "来自其他网站" in answer.text
    async with signed_in(on_sqlite, "chen") as made:
        problem(await made.post("/sign-out", headers=headers), 403, "foreign-request")
        assert "Signed in as chen" in (await made.get(ACTION)).text
        # A key is sent by no browser of its own accord.
        assert (await made.post("/v1/complaints", json=CALL, headers={**on_sqlite.key("chen"), **headers})).is_success


async def test_the_sign_out_page_names_the_person(on_sqlite: Api) -> None:
    on_sqlite.tokens["40017"] = on_sqlite.directory.enter("40017", Role.CREW, "repair", name="梁伟")
    async with signed_in(on_sqlite, "40017") as made:
        assert "Signed in as 梁伟, crew" in (await made.get(ACTION)).text


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "evil.example",
        "javascript:alert(1)",
        "/ ü",
        f"/{'x' * 5000}",
        "",
    ],
)
async def test_a_sign_in_leads_to_no_other_site(on_sqlite: Api, to: str) -> None:
    async with browser(on_sqlite) as made:
        page = await made.get(ACTION, params={"to": to})
        assert 'name="to" value="/desk"' in page.text
        answer = await made.post(ACTION, data={"key": on_sqlite.tokens["chen"], "to": to})
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")


async def test_wrong_keys_count_as_for_the_interface_and_are_on_no_page_or_line(
    on_sqlite: Api, caplog: pytest.LogCaptureFixture
) -> None:
    async with further_api(on_sqlite, now, guesses_per_minute=3) as made, browser(made) as page:
        wrong = f"hk_00000000_{'x' * 43}"
        with caplog.at_level(logging.INFO, "hotline.api"):
            answers = [await page.post(ACTION, data={"key": key, "to": "/c"}) for key in (wrong, "letmein", "", wrong)]
            assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
            refused = await made.http.get("/v1/services", headers={"Authorization": f"Bearer {wrong}"})
            problem(refused, 429, "too-many-guesses")
        for answer, words in zip(answers, ["已吊销", "格式不对", "格式不对", "次数过多"], strict=True):
            assert words in answer.text
            assert 'name="to" value="/c"' in answer.text
            assert "set-cookie" not in answer.headers
            assert not {wrong, "letmein"} & set(answer.text.split('"'))
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert (await page.post(ACTION, data={"key": made.tokens["chen"]})).status_code == 303
        problem(await made.http.post(ACTION, data={"key": "letmein"}), 429, "too-many-guesses")
    told = [record.getMessage() for record in caplog.records]
    assert {"address 127.0.0.1 sends wrong keys", "address 127.0.0.1 sends malformed keys"} <= set(told)
    assert not any(key in line for line in told for key in (wrong, "letmein", made.tokens["chen"]))


async def test_while_sql_is_down_a_sign_out_ends_the_session_of_this_browser_and_says_so(on_sqlite: Api) -> None:
    nowhere = {"database_url": "sqlite:////nowhere/hotline.db", "sql_wait_seconds": 0.1}
    async with further_api(on_sqlite, now, None, **nowhere) as api, signed_in(api, "chen") as made:
        answer = await made.post("/sign-out")
        assert (answer.status_code, cookie(answer).value) == (503, "")
        assert "本浏览器已退出" in answer.text
        assert "Signed in" not in (await made.get(ACTION)).text


async def test_without_a_session_a_page_is_that_of_the_sign_in_and_all_else_a_problem(on_sqlite: Api) -> None:
    def asked(method: str, accept: str) -> Request:
        scope = {"type": "http", "method": method, "raw_path": b"/temporal/%2F", "query_string": b"y=1&z=%22"}
        return Request({**scope, "headers": [(b"accept", accept.encode())]})

    sessions = on_sqlite.backend.sessions
    page = sessions.sign_in_page(asked("GET", "text/html"))
    assert page.status_code == 401
    assert b'name="to" value="/temporal/%2F?y=1&amp;z=%22"' in bytes(page.body)
    for method, accept in (("GET", "application/json"), ("GET", "*/*"), ("POST", "text/html")):
        refused = sessions.sign_in_page(asked(method, accept))
        assert refused.status_code == 401
        assert b"urn:hotline:problem:no-session" in bytes(refused.body)


async def test_the_page_runs_nothing_and_stands_in_no_frame(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        for page in (await made.get(ACTION), await made.post(ACTION, data={"key": "letmein"})):
            policy = page.headers["content-security-policy"]
            for rule in ("default-src 'none'", "script-src 'none'", "form-action 'self'", "frame-ancestors 'none'"):
                assert rule in policy
            assert page.headers["x-frame-options"] == "DENY"
            assert page.headers["cache-control"] == "no-store"


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [360, 1440])
async def test_a_browser_without_scripts_signs_in_and_out(on_sqlite: Api, width: int) -> None:
    async with launched() as chromium:
        context = await chromium.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
        page = await context.new_page()
        await page.goto(f"{on_sqlite.url}/sign-in?to=/sign-in")
        await expect(page.get_by_text("由系统管理员发放").first).to_be_visible()
        for key in ("letmein", on_sqlite.tokens["chen"]):
            await page.get_by_label("密钥 Key").fill(key)
            await page.get_by_role("button", name="登录 Sign in").click()
            if key == "letmein":
                await expect(page.get_by_role("alert")).to_contain_text("密钥格式不对")
        await expect(page.get_by_text("Signed in as chen")).to_be_visible()
        [kept] = await context.cookies()
        assert (kept.get("httpOnly"), kept.get("sameSite")) == (True, "Lax")
        await page.get_by_role("button", name="退出 Sign out").click()
        await expect(page.get_by_label("密钥 Key")).to_be_visible()
        assert await context.cookies() == []
        for element in await page.locator("main, form, h1").all():
            box = await element.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
