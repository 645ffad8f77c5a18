"""Sign-in (登录) of people in browsers, by key or with the OIDC issuer, their sessions (会话), and sign-out.

A session is a sealed cookie that every API process opens, and none keeps. With the issuer, people sign in by an
authorization code with PKCE, state and nonce.
"""

import logging
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import httpx
from authlib.oauth2.client import OAuth2Client
from fastapi import APIRouter
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from api.directory import People
from api.edge.browsers import CookieContent, SealedCookie, form_of, page, require_same_origin
from api.edge.limits import Limits
from api.edge.problems import ProblemError, declare
from api.routing import StrictRoute, TheBackend, from_backend
from api.sign_in.security import BearerKey
from api.sign_in.tokens import CHALLENGE, LONGEST_REASON, Tokens
from domain.shared.actors import Actor
from domain.shared.value import Instant
from readmodel.people.people import PeopleScope, end_sessions

SIGN_IN_REFUSED = declare("sign-in-refused", HTTPStatus.UNAUTHORIZED, "Sign-in refused")
CALLBACK = "/sign-in/oidc/callback"
HANDSHAKE_SECONDS = 600
"""Time for a sign-in at the issuer."""
log = logging.getLogger("hotline.api")


class Handshake(CookieContent):
    """Sign-in that a browser has begun at the issuer: what the issuer sends back, the PKCE verifier, where to go on."""

    state: str
    nonce: str
    verifier: str
    to: str


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """Sign-in with the issuer. Nothing is kept but a sealed cookie in the browser, until the issuer leads back.

    Attributes:
        client_id: the service as the issuer knows it.
        secret: secret of the service; empty if it has none.
        callback: address to which the issuer leads.
    """

    tokens: Tokens
    client_id: str
    secret: str
    callback: str
    cookie: SealedCookie[Handshake]
    clock: Callable[[], datetime]

    async def begin(self, to: str) -> Response:
        """Redirect to the issuer, from which the browser comes back to `to`. Raises ProblemError 503."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = (await self.tokens.issuer.endpoints()).authorization_endpoint
        scope, method = "openid profile", "S256"
        asked = OAuth2Client(
            None, self.client_id, scope=scope, redirect_uri=self.callback, code_challenge_method=method
        )
        url, _ = asked.create_authorization_url(address, state, verifier, nonce=nonce)
        response = RedirectResponse(url, HTTPStatus.SEE_OTHER)
        ends_at = self.clock() + timedelta(seconds=HANDSHAKE_SECONDS)
        self.cookie.set(response, Handshake(state=state, nonce=nonce, verifier=verifier, to=to, ends_at=ends_at))
        return response

    async def finish(self, request: Request) -> tuple[Actor, str]:
        """Person who has signed in, by the claims of the access token, and the address to lead to.

        Raises ProblemError: 401 if the issuer or a token refuses, 403 for a token without a role, 503 if it is away.
        """
        handshake = self.cookie.open(self.cookie.text(request))
        state, code = request.query_params.get("state", ""), request.query_params.get("code")
        if handshake is None or not code or not secrets.compare_digest(state.encode(), handshake.state.encode()):
            raise _refused("it was not begun in this browser, has taken too long, or the issuer has refused it")
        given = await self._exchange(code, handshake.verifier)
        id_claims = await self.tokens.read(str(given.get("id_token", "")), self.client_id)
        # What is about another sign-in, client or person is somebody else's.
        if id_claims.get("nonce") != handshake.nonce or id_claims.get("azp", self.client_id) != self.client_id:
            raise _refused("the ID token is that of another sign-in")
        claims = await self.tokens.read(str(given.get("access_token", "")))
        if id_claims["sub"] != claims["sub"]:
            raise _refused("ID token and access token are of different people")
        return self.tokens.claims.actor(claims), handshake.to

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        """Raise ProblemError: 401 if the issuer refuses the code, 503 if it is away."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        form |= {"redirect_uri": self.callback, **({} if self.secret else {"client_id": self.client_id})}
        auth = httpx.BasicAuth(self.client_id, self.secret) if self.secret else None
        given = await self.tokens.issuer.exchange(form, auth)
        if "error" in given:
            log.warning("the issuer refuses a code: %s", str(given["error"])[:LONGEST_REASON])
            raise _refused("the issuer does not accept its code")
        return given


def _refused(why: str) -> ProblemError:
    return ProblemError(SIGN_IN_REFUSED, f"The sign-in does not count: {why}; begin again.")


NO_SESSION = declare("no-session", HTTPStatus.UNAUTHORIZED, "Sign-in required")
LONGEST_SESSION = timedelta(hours=12)
"""Longest session of a person."""
LONGEST_BOARD = timedelta(days=400)
"""Longest session of a screen, which nobody signs in to each day: browsers keep no cookie for longer."""
HOME = "/desk"
"""Page to which a sign-in leads that names none, and from which people go on."""
SIGN_IN = "/sign-in"
_CHALLENGE = {"WWW-Authenticate": CHALLENGE}
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,4000}")


class Session(CookieContent):
    """Session of a person who has signed in.

    With the scope `read` it changes nothing; with `board` it opens the board alone. It ends at `ends_at`, or when the
    person's number in the directory is no longer `session_number`.
    """

    actor: Actor
    scope: PeopleScope
    began_at: Instant
    session_number: int


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of people in the directory; `issuer` is the OIDC issuer's address, None if nobody signs in there."""

    cookie: SealedCookie[Session]
    people: People
    clock: Callable[[], datetime]
    issuer: str | None = None

    @property
    def secure(self) -> bool:
        """True if browsers reach the API over TLS alone."""
        return self.cookie.secure

    def open(self, request: HTTPConnection, *, on_board: bool = False) -> Session | None:
        """Session of a request, without I/O; None if it has none, or if that has ended or is for the board alone."""
        session = self.cookie.open(self.cookie.text(request))
        if session is None or (session.scope == "board" and not on_board):
            return None
        person = self.people.get(session.actor.id)
        goes_on = person and person.left_at is None and person.session_number == session.session_number
        return session if goes_on else None

    def begin(
        self, response: Response, actor: Actor, scope: PeopleScope = "all", until: datetime | None = None
    ) -> None:
        """Give the browser a session of a person of the directory, not longer than `until` if it is given."""
        now, person = self.clock(), self.people.get(actor.id)
        latest = now + (LONGEST_BOARD if scope == "board" else LONGEST_SESSION)
        session = Session(
            actor=actor,
            scope=scope,
            began_at=now,
            ends_at=min(latest, until or latest),
            session_number=person.session_number if person else -1,
        )
        self.cookie.set(response, session)

    def sign_in_page(self, request: Request) -> Response:
        """Answer a request without a session: the page to sign in, or a problem to what takes no page."""
        if request.method == "GET" and takes_pages(request):
            # As it was sent: decoded, an id with a slash in it would be another path.
            path, query = (request.scope[part].decode("latin-1") for part in ("raw_path", "query_string"))
            return self.page(request, f"{path}?{query}" if query else path, HTTPStatus.UNAUTHORIZED)
        return ProblemError(NO_SESSION, f"Sign in at {SIGN_IN}, in a browser.", headers=_CHALLENGE).response()

    def page(
        self, request: Request, to: str | None, status: int = HTTPStatus.OK, refusal: ProblemError | None = None
    ) -> Response:
        """Page to sign in or out, which leads to the address `to` afterwards."""
        return page(
            "sign_in.html",
            status,
            refusal.headers if refusal else _CHALLENGE if status == HTTPStatus.UNAUTHORIZED else None,
            to=local(to),
            refusal=refusal and refusal.problem,
            refusal_zh=refusal and refusal.chinese(),
            session=None if refusal else self.open(request),
            issuer=self.issuer,
        )

    def refused(self, request: Request, refusal: ProblemError, to: str | None) -> Response:
        """Page to sign in with what is wrong, or the problem to what takes no page."""
        if takes_pages(request):
            return self.page(request, to, refusal.problem.status, refusal)
        return refusal.response()


def takes_pages(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def local(to: str | None) -> str:
    """HOME for an address of another site, as a link may be anybody's."""
    # Browsers take a backslash for /, and skip tabs and ends of lines.
    return to if to and _LOCAL.fullmatch(to) else HOME


NO_SUCH_PERSON = declare("no-such-person", HTTPStatus.FORBIDDEN, "Person not in the directory")
SIGNED_OUT_HERE = declare("signed-out-here", HTTPStatus.SERVICE_UNAVAILABLE, "Signed out in this browser alone")


TheOidc = Annotated[OidcSignIn, from_backend("oidc")]
TheSessions = Annotated[Sessions, from_backend("sessions")]
TheLimits = Annotated[Limits, from_backend("limits")]
TheBearer = Annotated[BearerKey, from_backend("bearer")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)
oidc_router = APIRouter(route_class=StrictRoute, include_in_schema=False)
"""Ways to the issuer and back, if there is one."""


@router.get(SIGN_IN)
async def show_sign_in(request: Request, sessions: TheSessions) -> Response:
    return sessions.page(request, request.query_params.get("to"))


@router.post(SIGN_IN)
async def sign_in(request: Request, sessions: TheSessions, bearer: TheBearer) -> Response:
    form = await form_of(request)
    given = form.get("key", "").strip()
    try:
        require_same_origin(request, secure=sessions.secure)
        await bearer.holder_of_key(request, given)
        await _read_anew(sessions.people)
        actor, key = await bearer.holder_of_key(request, given)
    except ProblemError as refused:
        return sessions.refused(request, refused, form.get("to"))
    response = RedirectResponse(local(form.get("to")), HTTPStatus.SEE_OTHER)
    sessions.begin(response, actor, key.scope, key.expires_at)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, sessions: TheSessions, backend: TheBackend) -> Response:
    require_same_origin(request, secure=sessions.secure)
    response: Response = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
    try:
        if session := sessions.open(request):
            await backend.direct.write(partial(end_sessions, person_id=session.actor.id))
            await backend.people.read_anew()
    except ProblemError:
        detail = "This browser is signed out, others are not: SQL does not answer. Sign in and out again later."
        response = sessions.refused(request, ProblemError(SIGNED_OUT_HERE, detail), None)
    # Whoever uses this browser next must not be let in because SQL is down.
    sessions.cookie.clear(response)
    return response


@oidc_router.get(f"{SIGN_IN}/oidc")
async def begin_with_issuer(request: Request, sessions: TheSessions, oidc: TheOidc) -> Response:
    to = local(request.query_params.get("to"))
    try:
        return await oidc.begin(to)
    except ProblemError as refused:
        return sessions.refused(request, refused, to)


@oidc_router.get(CALLBACK)
async def finish_with_issuer(request: Request, sessions: TheSessions, oidc: TheOidc, limits: TheLimits) -> Response:
    try:
        limits.check_guesses(request)
        with limits.counting_guesses(request, "wrong sign-ins"):
            actor, to = await oidc.finish(request)
        response: Response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
        await _read_anew(sessions.people)
        sessions.begin(response, _known(sessions.people, actor))
    except ProblemError as refused:
        response = sessions.refused(request, refused, None)
    oidc.cookie.clear(response)  # the handshake is good for one sign-in
    return response


async def _read_anew(people: People) -> None:
    """Read people anew if SQL answers: a session with a number of before a sign-out elsewhere would end at once."""
    with suppress(ProblemError):
        await people.read_anew()


def _known(people: People, actor: Actor) -> Actor:
    """Name the actor of a token as the directory does. Raises ProblemError 403 if it does not know the person."""
    person = people.get(actor.id)
    if person is None or person.left_at is not None:
        command = "hotline person add ID --role ROLE"
        detail = f"{actor.id} is not in the directory. An administrator adds people: {command}."
        raise ProblemError(NO_SUCH_PERSON, detail)
    return actor.model_copy(update={"id": person.id, "name": person.actor.name})
