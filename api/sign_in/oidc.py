"""Sign-in of people in browsers with the OIDC issuer: authorization code with PKCE, state and nonce."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx
from authlib.oauth2.client import OAuth2Client
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.edge.browsers import Kept, SealedCookie
from api.edge.problems import ProblemError, declare
from api.sign_in.issuer import LONGEST_REASON
from api.sign_in.tokens import Tokens
from domain.shared.actors import Actor

SIGN_IN_REFUSED = declare("sign-in-refused", HTTPStatus.UNAUTHORIZED, "Sign-in refused")
CALLBACK = "/sign-in/oidc/callback"
HANDSHAKE_SECONDS = 600
"""Time for a sign-in at the issuer."""
log = logging.getLogger("hotline.api")


class OidcClient(NamedTuple):
    """The service as its issuer knows it: id, secret or an empty text, and the address to which the issuer leads."""

    id: str
    secret: str
    callback: str


class Handshake(Kept):
    """Sign-in that a browser has begun at the issuer: what the issuer sends back, the PKCE verifier, where to go on."""

    state: str
    nonce: str
    verifier: str
    to: str


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """Sign-in with the issuer. Nothing is kept but a sealed cookie in the browser, until the issuer leads back."""

    tokens: Tokens
    client: OidcClient
    cookie: SealedCookie[Handshake]
    clock: Callable[[], datetime]

    async def begin(self, to: str) -> Response:
        """Return the redirection to the issuer, from which the browser comes back to `to`. Raises ProblemError 503."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        page = (await self.tokens.issuer.endpoints()).authorization_endpoint
        id_, _, callback = self.client
        asked = OAuth2Client(None, id_, scope="openid profile", redirect_uri=callback, code_challenge_method="S256")
        url, _ = asked.create_authorization_url(page, state, verifier, nonce=nonce)
        response = RedirectResponse(url, HTTPStatus.SEE_OTHER)
        ends_at = self.clock() + timedelta(seconds=HANDSHAKE_SECONDS)
        handshake = Handshake(state=state, nonce=nonce, verifier=verifier, to=to, ends_at=ends_at)
        self.cookie.set(response, handshake)
        return response

    async def finish(self, request: Request) -> tuple[Actor, str]:
        """Return who has signed in, by the claims of the access token, and the address to lead to.

        Raises ProblemError: 401 if the issuer or a token refuses, 403 for a token without a role, 503 if it is away.
        """
        handshake = self.cookie.open(self.cookie.text(request))
        state, code = request.query_params.get("state", ""), request.query_params.get("code")
        if handshake is None or not code or not secrets.compare_digest(state.encode(), handshake.state.encode()):
            raise _refused("it was not begun in this browser, has taken too long, or the issuer has refused it")
        given = await self._exchange(code, handshake.verifier)
        said = await self.tokens.read(str(given.get("id_token", "")), self.client.id)
        # What is about another sign-in, client or person is somebody else's.
        if said.get("nonce") != handshake.nonce or said.get("azp", self.client.id) != self.client.id:
            raise _refused("the ID token is that of another sign-in")
        claims = await self.tokens.read(str(given.get("access_token", "")))
        if said["sub"] != claims["sub"]:
            raise _refused("ID token and access token are of different people")
        return self.tokens.claims.actor(claims), handshake.to

    def end(self, response: Response) -> None:
        """Take the handshake from the browser: it is good for one sign-in."""
        self.cookie.clear(response)

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        """Return the tokens for a code. Raises ProblemError: 401 if the issuer refuses, 503 if it is away."""
        id_, secret, callback = self.client
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": callback}
        auth = httpx.BasicAuth(id_, secret) if secret else None
        given = await self.tokens.issuer.exchange(form if auth else {**form, "client_id": id_}, auth)
        if "error" in given:
            log.warning("the issuer refuses a code: %s", str(given["error"])[:LONGEST_REASON])
            raise _refused("the issuer does not accept its code")
        return given


def _refused(why: str) -> ProblemError:
    return ProblemError(SIGN_IN_REFUSED, f"The sign-in does not count: {why}; begin again.")
