"""Sign-in (登录) of people in browsers, by key or with the OIDC issuer, and sign-out."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dependencies import part
from api.directory import People
from api.edge.browsers import form_of, require_same_origin
from api.edge.limits import Limits
from api.edge.problems import ProblemError, declare
from api.routing import OnceRoute
from api.sign_in.oidc import CALLBACK, OidcSignIn
from api.sign_in.security import BearerKey
from api.sign_in.sessions import SIGN_IN, Sessions, local, takes_pages
from api.sql.reader import DirectWriter
from domain.shared.actors import Actor
from readmodel.people.people import end_sessions

NO_SUCH_PERSON = declare("no-such-person", HTTPStatus.FORBIDDEN, "Person not in the directory")
SIGNED_OUT_HERE = declare("signed-out-here", HTTPStatus.SERVICE_UNAVAILABLE, "Signed out in this browser alone")


@dataclass(frozen=True)
class SignIn:
    """Sign-in by key or token, and sign-out."""

    sessions: Sessions
    bearer: BearerKey
    limits: Limits
    people: People
    writer: DirectWriter

    async def read_anew(self) -> None:
        """Read people anew if SQL answers: a session with a number of before a sign-out elsewhere would end at once."""
        with suppress(ProblemError):
            await self.people.read_anew()

    def known(self, actor: Actor) -> Actor:
        """Return the actor of a token, as the directory names the person. Raises ProblemError 403 if it does not."""
        person = self.people.get(actor.id)
        if person is None or person.left_at is not None:
            command = "hotline person add ID --role ROLE"
            detail = f"{actor.id} is not in the directory. An administrator adds people: {command}."
            raise ProblemError(NO_SUCH_PERSON, detail)
        return actor.model_copy(update={"id": person.id, "name": person.actor.name})

    def refused(self, request: Request, refusal: ProblemError, to: str | None) -> Response:
        """Return the page to sign in with what is wrong, or the problem to what takes no page."""
        if takes_pages(request):
            return self.sessions.page(request, to, refusal.problem.status, refusal)
        return refusal.response()


TheOidc = Annotated[OidcSignIn, part("oidc")]
TheSignIn = Annotated[SignIn, part("sign_in")]
router = APIRouter(route_class=OnceRoute, include_in_schema=False)
oidc_router = APIRouter(route_class=OnceRoute, include_in_schema=False)
"""Ways to the issuer and back, if there is one."""


@router.get(SIGN_IN)
async def show_sign_in(request: Request, by: TheSignIn) -> Response:
    return by.sessions.page(request, request.query_params.get("to"))


@router.post(SIGN_IN)
async def sign_in(request: Request, by: TheSignIn) -> Response:
    form = await form_of(request)
    given = form.get("key", "").strip()
    try:
        require_same_origin(request, secure=by.sessions.secure)
        await by.bearer.holder_of_key(request, given)
        await by.read_anew()
        actor, key = await by.bearer.holder_of_key(request, given)
    except ProblemError as refused:
        return by.refused(request, refused, form.get("to"))
    response = RedirectResponse(local(form.get("to")), HTTPStatus.SEE_OTHER)
    by.sessions.begin(response, actor, key.scope, key.expires_at)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, by: TheSignIn) -> Response:
    require_same_origin(request, secure=by.sessions.secure)
    response: Response = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
    try:
        if session := by.sessions.open(request):
            await by.writer.write(partial(end_sessions, person_id=session.actor.id))
            await by.people.read_anew()
    except ProblemError:
        detail = "This browser is signed out, others are not: SQL does not answer. Sign in and out again later."
        response = by.refused(request, ProblemError(SIGNED_OUT_HERE, detail), None)
    # Whoever uses this browser next must not be let in because SQL is down.
    by.sessions.end(response)
    return response


@oidc_router.get(f"{SIGN_IN}/oidc")
async def begin_with_issuer(request: Request, by: TheSignIn, oidc: TheOidc) -> Response:
    to = local(request.query_params.get("to"))
    try:
        return await oidc.begin(to)
    except ProblemError as refused:
        return by.refused(request, refused, to)


@oidc_router.get(CALLBACK)
async def finish_with_issuer(request: Request, by: TheSignIn, oidc: TheOidc) -> Response:
    try:
        by.limits.check_guesses(request)
        with by.limits.guessing(request, "wrong sign-ins"):
            actor, to = await oidc.finish(request)
        response: Response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
        await by.read_anew()
        by.sessions.begin(response, by.known(actor))
    except ProblemError as refused:
        response = by.refused(request, refused, None)
    oidc.end(response)
    return response
