"""Everything that is done to a complaint: one operation for each action of the lifecycle table."""

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import ValidationError
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.credit_limit import check_limit
from api.problems import ProblemError, refusal_of, slug_of
from api.routes.parameters import IdempotencyKey, NumberText, not_found, number_in
from api.schemas import Complaint
from api.security import Key, actor_of, request_key
from domain.case.actions import COMMANDS
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.command import Command
from domain.case.events import ActionBody
from domain.case.kind import Action
from domain.case.lifecycle import STATE_ZH
from domain.case.views import CaseView
from domain.shared.actors import ROLE_ZH

Endpoint = Callable[..., Awaitable[Response]]

_ERRORS = (
    "unauthorized",
    "malformed-key",
    "malformed-json",
    "bad-request",
    "wrong-role",
    "other-department",
    "complaint-not-found",
    "out-of-turn",
    "body-too-large",
    "unsupported-media-type",
    "invalid-request",
    "invalid-number",
    "invalid-idempotency-key",
    "idempotency-key-reused",
    "read-model-unavailable",
    "temporal-unavailable",
    "no-answer-in-time",
)
_CHECKED_HERE = {
    "link_incident": ("unknown-incident", "incident-closed"),
    "hand_over": ("unknown-owner",),
    "decide_credit": ("credit-limit-reached",),
}
"""Problems that the case cannot know of (`_check`)."""

PREFIX = "/v1/complaints/{number}/actions"


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations that act on a complaint."""
    for action in COMMANDS.values():
        router.add_api_route(
            f"{PREFIX}/{action.name}",
            _endpoint(backend, action),
            methods=["POST"],
            tags=["actions"],
            operation_id=action.name,
            summary=f"{action.zh} {action.name}",
            description=_description(action),
            response_model=Complaint,
            responses={
                200: openapi.example("Done, and lists show it: the complaint as it stands now.", "complaint"),
                202: openapi.accepted("complaint"),
                **openapi.errors(*_ERRORS, *_errors_of(action)),
            },
        )
    router.add_api_route(PREFIX + "/{action}", _unknown(backend), methods=["POST"], include_in_schema=False)


def _errors_of(action: Action) -> tuple[str, ...]:
    codes = ("unknown-department",) if "department" in action.body.model_fields else ()
    own = (slug_of(problem.code) for problem in action.problems)
    return (*own, *_CHECKED_HERE.get(action.name, ()), *codes)


def _endpoint(backend: Backend, action: Action) -> Endpoint:
    """The operation of one action. Where every field may be left out, so may the body."""
    command_type: type[Command[ActionBody]] = Command.__class_getitem__(action.body)  # type: ignore[assignment]  # known at run time only

    async def act(
        number: NumberText,
        key: Annotated[Key, Depends(backend.bearer)],
        body: ActionBody,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        wanted = number_in(number)
        refused = await refusal_of(_check(backend, wanted, body, key))
        sent = "" if idempotency_key is None else request_key(key, idempotency_key)
        digest = hashlib.sha256(f"{action.name}\0{body.model_dump_json(exclude_none=True)}".encode()).hexdigest()[:32]
        # Built of parts that have been validated already.
        command = command_type.model_construct(actor=actor_of(key), body=body, key=sent, digest=digest)
        outcome = await backend.gateway.act(wanted, command, refused)
        if outcome is None:
            raise await _gone(backend, wanted, action.name, key)
        if (outcome.action, outcome.digest) != (action.name, digest):
            raise _reused(outcome.action)
        shown = await backend.shown(wanted, outcome.case.version)
        return render.answer(render.complaint(outcome.case), HTTPStatus.OK if shown else HTTPStatus.ACCEPTED)

    act.__name__ = action.name
    example = Body(openapi_examples={"usual": {"summary": action.zh, "value": action.example.model_dump(mode="json")}})
    act.__annotations__["body"] = Annotated[action.body, example, backend.by_name]
    if (nothing := _nothing(action.body)) is not None:
        act.__defaults__ = (nothing, None)
    return act


def _nothing(body_type: type[ActionBody]) -> ActionBody | None:
    """The body that says nothing, for actions that need no words."""
    try:
        return body_type()
    except ValidationError:
        return None


async def _check(backend: Backend, number: str, body: ActionBody, key: Key) -> None:
    """Raise ProblemError for what the case cannot know: departments, keys, incidents, other cases of its account."""
    if isinstance(body, LinkIncident) and body.incident is not None:
        await backend.incidents.require_open(body.incident, actor_of(key))
    if isinstance(body, DecideCredit) and body.approved:
        await check_limit(backend, number, body.credit, key)
    # Whoever may not hand over is told so by the case, and not who works here. An administrator acts for anybody.
    if isinstance(body, HandOver) and key.role in COMMANDS["hand_over"].roles:
        owners = backend.bearer.owners()
        if body.owner not in owners:
            detail = f"Nobody named {body.owner!r} has a key, and could reply; accepted: {', '.join(owners)}."
            raise ProblemError("unknown-owner", detail, accepted=list(owners))
    if isinstance(body, (Dispatch, Involve)):
        backend.catalogue.department(body.department)


async def _gone(backend: Backend, number: str, action: str, key: Key) -> ProblemError:
    """Why no workflow took the action: there never was such a case, or it is over."""
    view: CaseView | None = await backend.find(number, actor_of(key))
    if view is None:
        return not_found(number)
    detail = f"The case {number} is {view.state} (version {view.version}) and over; {action} is not possible any more."
    return ProblemError(
        "out-of-turn", detail, accepted=[], state=view.state, version=view.version, available_actions=[]
    )


def _reused(earlier: str) -> ProblemError:
    detail = f"This Idempotency-Key has done something else to this case: {earlier}, or the same with other words."
    return ProblemError("idempotency-key-reused", detail, accepted=["the same body", "a new Idempotency-Key"])


def _unknown(backend: Backend) -> Endpoint:
    async def unknown(
        number: NumberText,  # noqa: ARG001 - part of the path
        action: str,
        key: Annotated[Key, Depends(backend.bearer)],  # noqa: ARG001 - strangers are told nothing
    ) -> Response:
        accepted = [*COMMANDS]
        hint = " A complaint is registered by POST /v1/complaints." if action == "register" else ""
        raise ProblemError("unknown-action", f"There is no action {action[:40]!r} here.{hint}", accepted=accepted)

    return unknown


def _description(action: Action) -> str:
    sources = ", ".join(f"{STATE_ZH[state]} `{state}`" for state in STATE_ZH if state in action.sources)
    targets = ", ".join(f"{STATE_ZH[state]} `{state}`" for state in action.targets) or "the same state 状态不变"
    roles = ", ".join(f"{ROLE_ZH[role]} `{role}`" for role in ROLE_ZH if role in action.roles)
    facts = f"* from 从: {sources}\n* to 到: {targets}\n* by 由: {roles}, 管理员 `admin`"
    return f"{action.description}\n\n{action.body.__doc__}\n\n{facts}"
