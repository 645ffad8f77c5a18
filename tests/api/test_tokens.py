"""Access tokens of a real issuer: which are accepted, whose keys count, and for how long."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.edge.problems import URN, ProblemError
from api.sign_in import tokens as keys
from api.sign_in.tokens import (
    FRESH_SECONDS,
    LARGEST_BYTES,
    LEEWAY_SECONDS,
    LONGEST_TOKEN,
    PAUSE_SECONDS,
    USABLE_SECONDS,
    ClaimMap,
    Tokens,
)
from domain.shared.actors import Actor, Role
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings
from tests.support.issuer import AUDIENCE, KEYS, Issuer, private_key, running_issuer, segment, shared_secret, unsigned

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
AGENT: dict[str, Any] = {"hotline_role": "agent"}


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(issuer: Issuer, clock: Clock) -> Tokens:
    return tokens_of(issuer, clock)


def tokens_of(issuer: Issuer, clock: Clock) -> Tokens:
    """The check of tokens with the usual names of claims."""
    names = {"person": "sub", "name": "name", "role": "hotline_role", "department": "hotline_department"}
    claims = ClaimMap(**names, roles=Settings().oidc_roles, departments=lambda: CATALOGUE.departments)
    return Tokens(keys.Issuer(issuer.url, clock), AUDIENCE, claims)


async def refused(tokens: Tokens, token: str, status: int = 401, slug: str = "invalid-token") -> ProblemError:
    """The problem that this token must be, in words that repeat nothing of it."""
    with pytest.raises(ProblemError) as raised:
        await tokens.verify(token)
    found = raised.value.problem
    assert (found.status, found.type) == (status, URN + slug), found.detail
    assert not any(part in found.detail for part in token.split(".") if len(part) > 3)
    if status == 401:
        challenge = raised.value.headers["WWW-Authenticate"]
        assert challenge == f'Bearer realm="hotline", error="invalid_token", error_description="{found.detail}"'
        assert challenge.isascii()
    return raised.value


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "EdDSA"])
async def test_a_token_of_each_algorithm_names_its_person(issuer: Issuer, tokens: Tokens, algorithm: str) -> None:
    issuer.new_key("further", algorithm)
    token = issuer.sign(**AGENT, name="陈美玲")
    assert await tokens.verify(token) == Actor(id="10482", name="陈美玲", role=Role.AGENT)


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "application/AT+JWT", None])
async def test_access_and_id_tokens_are_accepted(issuer: Issuer, tokens: Tokens, kind: str | None) -> None:
    audience = [AUDIENCE, "account"]
    assert (await tokens.verify(issuer.sign({"typ": kind}, **AGENT, aud=audience))).role is Role.AGENT


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", 7, ["JWT"]])
async def test_other_things_that_the_issuer_signs_are_no_access_tokens(
    issuer: Issuer, tokens: Tokens, kind: object
) -> None:
    assert "(typ)" in str(await refused(tokens, issuer.sign({"typ": kind}, **AGENT)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"aud": "payroll"}, "another audience (aud); accepted: hotline"),
        ({"aud": ["payroll", "hotline2"]}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer (iss); accepted: http://127.0.0.1"),
        ({"exp": -LEEWAY_SECONDS - 1}, "has expired"),
        ({"iat": LEEWAY_SECONDS + 20}, "not valid yet"),
        ({"nbf": LEEWAY_SECONDS + 20}, "not valid yet"),
        ({"exp": None}, "lacks the claim exp"),
        ({"iat": None}, "lacks the claim iat"),
        ({"sub": None}, "lacks the claim sub"),
        ({"aud": None}, "lacks the claim aud"),
        ({"iss": None}, "lacks the claim iss"),
        ({"exp": "soon"}, "no signed JWT"),
    ],
)
async def test_a_token_with_wrong_claims_is_refused(
    issuer: Issuer, tokens: Tokens, changes: dict[str, Any], told: str
) -> None:
    now = int(time.time())
    claims = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    assert told in str(await refused(tokens, issuer.sign(**AGENT | claims)))


async def test_clocks_may_differ_a_little(issuer: Issuer, tokens: Tokens) -> None:
    now = int(time.time())
    await tokens.verify(issuer.sign(**AGENT, exp=now - LEEWAY_SECONDS + 20))
    await tokens.verify(issuer.sign(**AGENT, iat=now + LEEWAY_SECONDS - 20))
    assert LEEWAY_SECONDS <= 60


async def test_a_token_that_anybody_could_have_made_is_refused(issuer: Issuer, tokens: Tokens) -> None:
    claims = issuer.claims(hotline_role="admin")
    assert "(alg)" in str(await refused(tokens, unsigned(claims)))
    _, key = issuer.private["first"]
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(issuer.published["first"]).encode()):
        assert "(alg)" in str(await refused(tokens, shared_secret(claims, "first", secret)))
    # A key of the attacker's own, which the header brings along or refers to.
    own = private_key("RS256", "attacker")
    public = jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key(), as_dict=True)
    for brought in ({}, {"jwk": public}, {"jku": "https://evil.example/keys"}):
        token = jwt.encode(claims, own, "RS256", {"kid": "first", **brought})
        assert "signature" in str(await refused(tokens, token))
    header, _, signature = issuer.sign(**AGENT).split(".")
    changed = segment(json.dumps(claims).encode())
    assert "signature" in str(await refused(tokens, f"{header}.{changed}.{signature}"))


async def test_a_token_needs_its_keys_algorithm(issuer: Issuer, tokens: Tokens) -> None:
    _, key = issuer.private["first"]
    token = jwt.encode(issuer.claims(**AGENT), key, "PS256", {"kid": "first"})
    assert "is not signed by its key's algorithm" in str(await refused(tokens, token))


async def test_a_key_that_is_too_short_or_for_encryption_signs_nothing(issuer: Issuer, tokens: Tokens) -> None:
    issuer.new_key("sealing", use="enc")
    assert "(kid)" in str(await refused(tokens, issuer.sign(**AGENT)))
    key = private_key("RS256", "short", 1024)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    issuer.published = {"short": {**public, "kid": "short"}}
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(issuer.claims(**AGENT), key, "RS256", {"kid": "short"})
    assert "too short" in str(await refused(tokens_of(issuer, Clock()), token))


def _made(header: Any) -> str:
    return f"{segment(json.dumps(header).encode())}.{segment(b'{}')}."


@pytest.mark.parametrize(
    "token",
    [
        "letmein",
        "a.b.c",
        "....",
        "é.é.é",
        f"{segment(b'[' * 5000)}.x.x",
        _made({}),
        _made([]),
        _made({"alg": ["RS256"], "kid": "first"}),
        _made({"alg": "RS256", "kid": 7}),
        _made({"alg": "RS256", "kid": ""}),
        _made({"alg": "RS256"}),
        _made({"alg": "RS256", "kid": "first", "crit": ["x"], "x": 1}),
    ],
)
async def test_garbage_is_no_token(tokens: Tokens, token: str) -> None:
    await refused(tokens, token)


async def test_a_huge_token_is_not_even_read(issuer: Issuer, tokens: Tokens) -> None:
    token = issuer.sign(**AGENT, groups=["g" * 100] * 200)
    assert f"longer than {LONGEST_TOKEN}" in str(await refused(tokens, token))
    assert issuer.requests[KEYS] == 0


async def test_a_new_key_works_at_once(issuer: Issuer, tokens: Tokens, clock: Clock) -> None:
    await tokens.verify(issuer.sign(**AGENT))
    clock.seconds += PAUSE_SECONDS
    issuer.new_key("second", "ES256")
    await tokens.verify(issuer.sign(**AGENT))
    await tokens.verify(issuer.sign(key_id="first", **AGENT))
    assert issuer.requests[KEYS] == 2


async def test_a_withdrawn_key_is_accepted_for_five_minutes_at_most(
    issuer: Issuer, tokens: Tokens, clock: Clock
) -> None:
    token = issuer.sign(**AGENT)
    await tokens.verify(token)
    issuer.new_key("second")
    issuer.withdraw("first")
    clock.seconds += FRESH_SECONDS
    await tokens.verify(token)
    clock.seconds += 0.1
    assert "(kid)" in str(await refused(tokens, token))


async def test_keys_read_last_go_on_for_four_hours_without_the_issuer(
    issuer: Issuer, tokens: Tokens, clock: Clock
) -> None:
    token = issuer.sign(**AGENT)
    await tokens.verify(token)
    await issuer.stop()
    for clock.seconds in (FRESH_SECONDS + 1, FRESH_SECONDS + 2 * PAUSE_SECONDS, USABLE_SECONDS):
        await tokens.verify(token)
    clock.seconds = USABLE_SECONDS + PAUSE_SECONDS + 1
    problem = await refused(tokens, token, 503, "issuer-unavailable")
    assert problem.headers["Retry-After"] == "10"
    await issuer.restart()
    clock.seconds += PAUSE_SECONDS
    await tokens.verify(token)


async def test_a_withdrawn_key_is_refused_once_the_issuer_answers_again(
    issuer: Issuer, tokens: Tokens, clock: Clock
) -> None:
    """Also by the first request after hours in which there was none."""
    token = issuer.sign(**AGENT)
    await tokens.verify(token)
    await issuer.stop()
    clock.seconds = FRESH_SECONDS + 1
    await tokens.verify(token)
    await issuer.restart()
    issuer.new_key("second")
    issuer.withdraw("first")
    clock.seconds += FRESH_SECONDS + 1
    assert "(kid)" in str(await refused(tokens, token))


async def test_nobody_waits_for_a_silent_issuer_while_keys_are_kept(
    issuer: Issuer, tokens: Tokens, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.sign(**AGENT)
    await tokens.verify(token)
    issuer.answer_keys = issuer.hang
    clock.seconds = FRESH_SECONDS + 1
    monkeypatch.setattr(keys, "READING_SECONDS", 0.2)
    await tokens.verify(token)
    monkeypatch.setattr(keys, "READING_SECONDS", 600)
    clock.seconds += PAUSE_SECONDS
    async with asyncio.timeout(60):
        for _ in range(20):
            await tokens.verify(token)


async def test_without_keys_and_issuer_a_token_cannot_be_checked(issuer: Issuer, tokens: Tokens, clock: Clock) -> None:
    token = issuer.sign(**AGENT)
    await issuer.stop()
    await refused(tokens, token, 503, "issuer-unavailable")
    await issuer.restart()
    await refused(tokens, token, 503, "issuer-unavailable")
    clock.seconds += PAUSE_SECONDS
    await tokens.verify(token)


async def test_many_unknown_keys_cause_few_readings(issuer: Issuer, tokens: Tokens, clock: Clock) -> None:
    good = issuer.sign(**AGENT)
    await tokens.verify(good)
    clock.seconds += PAUSE_SECONDS
    unknown = [issuer.sign({"kid": f"guess-{place}"}, **AGENT) for place in range(1000)]
    answers = await asyncio.gather(*map(tokens.verify, unknown), return_exceptions=True)
    assert {str(answer) for answer in answers} == {"The access token names a key (kid) that its issuer does not have."}
    for token in unknown[:20]:
        await refused(tokens, token)
    await tokens.verify(good)
    assert issuer.requests[KEYS] == 2


async def test_many_first_tokens_wait_for_one_reading(issuer: Issuer, tokens: Tokens) -> None:
    await asyncio.gather(*(tokens.verify(issuer.sign(**AGENT)) for _ in range(50)))
    assert issuer.requests[KEYS] == 1


async def test_a_client_that_hangs_up_does_not_end_the_reading(issuer: Issuer, tokens: Tokens) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def later() -> web.StreamResponse:
        asked.set()
        await release.wait()
        return web.json_response({"keys": list(issuer.published.values())})

    issuer.answer_keys = later
    first, second = (asyncio.create_task(tokens.verify(issuer.sign(**AGENT))) for _ in range(2))
    await asyncio.wait_for(asked.wait(), 60)
    first.cancel()
    release.set()
    assert (await second).id == "10482"


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({"issuer": "https://evil.example"}, "calls itself"),
        ({"jwks_uri": "http://127.0.0.2:1/keys"}, "not encrypted"),
        ({"jwks_uri": "http://127.0.0.1:1/keys"}, "not encrypted"),
        ({"jwks_uri": "file:///etc/passwd"}, "not encrypted"),
        ({"jwks_uri": "https://169.254.169.254/keys"}, "link-local"),
        ({"jwks_uri": None}, "jwks_uri"),
    ],
)
async def test_keys_are_read_from_permitted_addresses_only(
    issuer: Issuer, tokens: Tokens, described: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.described = described
    await refused(tokens, issuer.sign(**AGENT), 503, "issuer-unavailable")
    assert told in caplog.text


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda: web.Response(text="[" * (LARGEST_BYTES + 1)), "more than 262144 bytes"),
        (lambda: web.Response(text="[" * 200_000), "RecursionError"),
        (lambda: web.Response(text="<html>"), "JSONDecodeError"),
        (lambda: web.json_response([]), "something else than an object"),
        (lambda: web.json_response({"keys": []}), "did not contain any keys"),
        (lambda: web.json_response({"keys": [{"kty": "oct", "kid": "first", "k": "c2VzYW1l"}]}), "no key has an id"),
        (lambda: web.Response(status=500), "answers 500"),
    ],
)
async def test_an_answer_that_is_not_keys_is_refused(
    issuer: Issuer, tokens: Tokens, answer: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def bad() -> web.StreamResponse:
        made: web.StreamResponse = answer()
        return made

    issuer.answer_keys = bad
    await refused(tokens, issuer.sign(**AGENT), 503, "issuer-unavailable")
    assert told in caplog.text


async def test_an_answer_without_an_end_is_left(
    issuer: Issuer, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "READING_SECONDS", 0.2)
    issuer.answer_keys = issuer.hang
    await refused(tokens, issuer.sign(**AGENT), 503, "issuer-unavailable")


async def test_a_packed_answer_is_not_unpacked(issuer: Issuer, tokens: Tokens) -> None:
    """A few kilobytes could become gigabytes."""

    async def packed() -> web.StreamResponse:
        response = web.json_response({"keys": list(issuer.published.values())})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    issuer.answer_keys = packed
    await refused(tokens, issuer.sign(**AGENT), 503, "issuer-unavailable")


async def test_no_redirect_is_followed(issuer: Issuer, tokens: Tokens, caplog: pytest.LogCaptureFixture) -> None:
    async def elsewhere() -> web.StreamResponse:
        issuer.answer_keys = None
        raise web.HTTPFound(KEYS)

    issuer.answer_keys = elsewhere
    await refused(tokens, issuer.sign(**AGENT), 503, "issuer-unavailable")
    assert "answers 302" in caplog.text
    assert issuer.requests[KEYS] == 1
