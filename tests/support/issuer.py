"""A real OIDC issuer on loopback: discovery, keys that change, a page to sign in, and tokens for a code or password."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

LOOPBACK = "127.0.0.1"
AUDIENCE = "hotline"
PASSWORD = "open sesame"
CLIENT, CLIENT_SECRET = "hotline-web", "s:e/c r%t"
"""The one client that gets codes."""
AUTHORIZE = "/realms/water/authorize"
DISCOVERY, KEYS, TOKEN = "/realms/water/.well-known/openid-configuration", "/realms/water/keys", "/realms/water/token"

Json = dict[str, Any]
Answer = Callable[[], Awaitable[web.StreamResponse]]


@cache
def private_key(algorithm: str, _name: str, bits: int = 2048) -> Any:
    """The key of this name for this algorithm. It is made once, as RSA keys take a while."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Issuer:
    """Issuer whose keys, people and behaviour a test changes."""

    def __init__(self) -> None:
        self.url = ""
        self.private: dict[str, tuple[str, Any]] = {}
        """Algorithm and key by id; the last one signs."""
        self.published: dict[str, Json] = {}
        self.people: dict[str, Json] = {}
        """Claims by the name that somebody signs in with."""
        self.here = "mei"
        """Person who is signed in at the issuer."""
        self.codes: dict[str, Json] = {}
        """Requests for codes, by code."""
        self.id_claims: Json = {}
        """Claims of ID tokens that differ from the usual ones."""
        self.is_public = False
        """The client has no secret."""
        self.described: Json = {}
        """Members of the discovery that differ from the usual ones."""
        self.answer_keys: Answer | None = None
        self.requests: Counter[str] = Counter()
        self.stopped = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def new_key(self, key_id: str, algorithm: str = "RS256", **described: Any) -> None:
        """Publish a key that signs from now on."""
        key = private_key(algorithm, key_id)
        public = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
        self.private[key_id] = algorithm, key
        self.published[key_id] = {**public, "kid": key_id, "use": "sig", "alg": algorithm, **described}

    def withdraw(self, key_id: str) -> None:
        """Publish the key no longer. What it has signed stays signed."""
        del self.published[key_id]

    def claims(self, **changes: Any) -> Json:
        """The claims of a good token. None leaves a claim out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "10482", "iat": now, "exp": now + 300, "typ": "Bearer"}
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def sign(self, header: Json | None = None, key_id: str = "", **claims: Any) -> str:
        """A token with these claims, by the last key or that of this id."""
        key_id = key_id or list(self.private)[-1]
        algorithm, key = self.private[key_id]
        return jwt.encode(self.claims(**claims), key, algorithm, {"kid": key_id, **(header or {})})

    async def token(self, name: str) -> str:
        """The access token that somebody gets who signs in."""
        async with httpx.AsyncClient(trust_env=False) as http:
            form = {"grant_type": "password", "username": name, "password": PASSWORD}
            answer = await http.post(self.url.removesuffix("/realms/water") + TOKEN, data=form)
        given: str = answer.raise_for_status().json()["access_token"]
        return given

    async def start(self, port: int = 0) -> None:
        """Listen, on the same port as before if it was stopped."""
        app = web.Application()
        app.router.add_get(DISCOVERY, self._discovery)
        app.router.add_get(KEYS, self._keys)
        app.router.add_post(TOKEN, self._token)
        app.router.add_get(AUTHORIZE, self._authorize)
        self.stopped.clear()
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port, reuse_address=True).start()
        self.url = f"http://{LOOPBACK}:{self._runner.addresses[0][1]}/realms/water"

    async def restart(self) -> None:
        await self.start(httpx.URL(self.url).port or 0)

    async def stop(self) -> None:
        """Listen no longer."""
        self.stopped.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def hang(self) -> web.StreamResponse:
        """Answer nothing until the issuer stops."""
        await self.stopped.wait()
        return web.Response()

    async def _discovery(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        origin = self.url.removesuffix("/realms/water")
        usual = {"issuer": self.url, "jwks_uri": origin + KEYS, "token_endpoint": origin + TOKEN}
        usual["authorization_endpoint"] = origin + AUTHORIZE
        return web.json_response(usual | self.described)

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        if self.answer_keys:
            return await self.answer_keys()
        return web.json_response({"keys": list(self.published.values())})

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        """Lead back at once, with a code for whoever is signed in here."""
        asked = dict(request.query)
        assert asked["client_id"] == CLIENT
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "name": self.here}
        raise web.HTTPFound(str(httpx.URL(asked["redirect_uri"], params={"code": code, "state": asked["state"]})))

    def _tokens(self, form: Json, authorization: str) -> web.StreamResponse:
        """Return the tokens for a code, once."""
        given = (form.get("client_id"), "") if self.is_public else ("", authorization)
        asked = self.codes.pop(form["code"], None)
        challenge = segment(hashlib.sha256(form["code_verifier"].encode()).digest())
        basic = f"Basic {base64.b64encode(f'{CLIENT}:{CLIENT_SECRET}'.encode()).decode()}"
        if given != ((CLIENT, "") if self.is_public else ("", basic)):
            return web.json_response({"error": "invalid_client"}, status=401)
        if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (challenge, form["redirect_uri"]):
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = self.people[asked["name"]]
        said = {"sub": claims["sub"], "aud": CLIENT, "nonce": asked["nonce"], "typ": "ID", **self.id_claims}
        tokens = {"access_token": self.sign(**claims), "id_token": self.sign(**said)}
        return web.json_response({**tokens, "token_type": "Bearer", "expires_in": 300})

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        form = await request.post()
        if form.get("grant_type") == "authorization_code":
            if request.headers["Accept"] != "application/json":  # as some do that have other forms too
                return web.Response(text="access_token=x", content_type="application/x-www-form-urlencoded")
            return self._tokens(dict(form), request.headers.get("Authorization", ""))
        claims = self.people.get(str(form["username"])) if form["password"] == PASSWORD else None
        if claims is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": self.sign(**claims), "token_type": "Bearer", "expires_in": 300})


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """Run an issuer with one RSA key."""
    made = Issuer()
    made.new_key("first")
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def unsigned(claims: Json) -> str:
    """A token that says it needs no signature."""
    return jwt.encode(claims, None, "none", {"kid": "first"})  # type: ignore[arg-type]  # there is no key


def shared_secret(claims: Json, key_id: str, secret: bytes) -> str:
    """A token with this secret, which its maker takes from what is published."""
    header = {"alg": "HS256", "kid": key_id, "typ": "JWT"}
    signed = ".".join(segment(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{segment(hmac.digest(secret, signed.encode(), 'sha256'))}"


def segment(content: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
