"""Sign-in (登录) of people in browsers, by key or with the OIDC issuer, and sign-out."""

from contextlib import suppress
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.backend import Backend
from api.edge.browsers import form_of, require_same_origin
from api.edge.problems import ProblemError, declare
from api.sign_in.oidc import CALLBACK, OidcSignIn
from api.sign_in.sessions import SIGN_IN, local, takes_pages
from domain.shared.actors import Actor
from readmodel.people.people import end_sessions

NO_SUCH_PERSON = declare("no-such-person", HTTPStatus.FORBIDDEN, "Person not in the directory")
SIGNED_OUT_HERE = declare("signed-out-here", HTTPStatus.SERVICE_UNAVAILABLE, "Signed out in this browser alone")


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the page to sign in, and what its forms send."""
    sessions = backend.sessions

    @router.get(SIGN_IN, include_in_schema=False)
    async def show(request: Request) -> Response:
        return sessions.page(request, request.query_params.get("to"))

    @router.post(SIGN_IN, include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        form = await form_of(request)
        given = form.get("key", "").strip()
        try:
            require_same_origin(request, secure=sessions.secure)
            await backend.bearer.holder_of_key(request, given)
            await _read_anew(backend)
            actor, key = await backend.bearer.holder_of_key(request, given)
        except ProblemError as refused:
            return _refused(backend, request, refused, form.get("to"))
        response = RedirectResponse(local(form.get("to")), HTTPStatus.SEE_OTHER)
        sessions.begin(response, actor, key.scope, key.expires_at)
        return response

    if oidc := backend.oidc:
        _add_oidc(router, backend, oidc)

    @router.post("/sign-out", include_in_schema=False)
    async def sign_out(request: Request) -> Response:
        require_same_origin(request, secure=sessions.secure)
        response: Response = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
        try:
            if session := sessions.open(request):
                await backend.direct.write(partial(end_sessions, person_id=session.actor.id))
                await backend.people.read_anew()
        except ProblemError:
            detail = "This browser is signed out, others are not: SQL does not answer. Sign in and out again later."
            response = _refused(backend, request, ProblemError(SIGNED_OUT_HERE, detail), None)
        # Whoever uses this browser next must not be let in because SQL is down.
        sessions.end(response)
        return response


def _add_oidc(router: APIRouter, backend: Backend, oidc: OidcSignIn) -> None:
    """Add the ways to the issuer and back."""

    @router.get(f"{SIGN_IN}/oidc", include_in_schema=False)
    async def begin(request: Request) -> Response:
        to = local(request.query_params.get("to"))
        try:
            return await oidc.begin(to)
        except ProblemError as refused:
            return _refused(backend, request, refused, to)

    @router.get(CALLBACK, include_in_schema=False)
    async def finish(request: Request) -> Response:
        try:
            backend.limits.check_guesses(request)
            with backend.limits.guessing(request, "wrong sign-ins"):
                actor, to = await oidc.finish(request)
            response: Response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
            await _read_anew(backend)
            backend.sessions.begin(response, _known(backend, actor))
        except ProblemError as refused:
            response = _refused(backend, request, refused, None)
        oidc.end(response)
        return response


async def _read_anew(backend: Backend) -> None:
    """Read people anew if SQL answers: a session with a number of before a sign-out elsewhere would end at once."""
    with suppress(ProblemError):
        await backend.people.read_anew()


def _known(backend: Backend, actor: Actor) -> Actor:
    """Return the actor of a token, as the directory names the person. Raises ProblemError 403 if it does not."""
    person = backend.people.get(actor.id)
    if person is None or person.left_at is not None:
        detail = f"{actor.id} is not in the directory. An administrator adds people: hotline person add ID --role ROLE."
        raise ProblemError(NO_SUCH_PERSON, detail)
    return actor.model_copy(update={"id": person.id, "name": person.actor.name})


def _refused(backend: Backend, request: Request, refusal: ProblemError, to: str | None) -> Response:
    """Return the page to sign in with what is wrong, or the problem to what takes no page."""
    if takes_pages(request):
        return backend.sessions.page(request, to, refusal.problem.status, refusal)
    return refusal.response()
