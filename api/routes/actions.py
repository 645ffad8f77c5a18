"""Everything that is done to a complaint: one operation for each action of the lifecycle table."""

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import ValidationError
from starlette.responses import Response

from api import examples, openapi, render
from api.backend import Backend
from api.credit_limit import check_limit
from api.problems import ProblemError, refusal_of
from api.routes.parameters import IdempotencyKey, NumberText, not_found, number_in
from api.schemas import Complaint
from api.security import actor_of, request_key
from domain.case import commands
from domain.case.lifecycle import ROLE_ZH, STATE_ZH, TABLE, Action, Row
from domain.case.views import CaseView
from hotline.keyring import Key

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
_MORE_ERRORS: dict[Action, tuple[str, ...]] = {
    Action.DISPATCH: ("same-department",),
    Action.RETURN: ("return-too-late", "no-such-part"),
    Action.SUSPEND: ("wake-at-past", "wake-at-too-far"),
    Action.REQUEST_APPROVAL: ("amount-too-high", "request-incomplete"),
    Action.DECIDE_APPROVAL: ("own-request", "decided-already", "not-the-approver", "reason-needed"),
    Action.DECIDE_CREDIT: (
        "no-such-credit",
        "credit-limit-reached",
        "decided-already",
        "not-the-approver",
        "reason-needed",
    ),
    Action.REQUEST_EXTENSION: ("extension-used", "extension-too-late", "extension-too-long"),
    Action.DECIDE_EXTENSION: ("own-request", "extension-expired"),
    Action.HAND_OVER: ("same-owner", "unknown-owner"),
    Action.URGE: ("urge-too-late",),
    Action.SUPERVISE: ("already-supervised",),
    Action.INVOLVE: ("already-involved", "no-such-part"),
    Action.RELEASE: ("no-such-part",),
    Action.COMPLETE: ("no-such-part", "not-approved", "unknown-finding"),
    Action.LINK_INCIDENT: ("unknown-incident", "incident-closed", "same-incident"),
    **dict.fromkeys((Action.SIGN_FOR, Action.ARRIVE, Action.SEND_BACK), ("no-such-part",)),
}


PREFIX = "/v1/complaints/{number}/actions"


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations that act on a complaint."""
    for action, body in commands.BODIES.items():
        row = TABLE[action]
        router.add_api_route(
            f"{PREFIX}/{action.value}",
            _endpoint(backend, action, body),
            methods=["POST"],
            tags=["actions"],
            operation_id=action.value,
            summary=f"{row.zh} {action.value}",
            description=_description(row, body),
            response_model=Complaint,
            responses={
                200: openapi.example("Done, and lists show it: the complaint as it stands now.", "complaint"),
                202: openapi.accepted("complaint"),
                **openapi.errors(*_ERRORS, *_MORE_ERRORS.get(action, ()), *_of_codes(body)),
            },
        )
    router.add_api_route(PREFIX + "/{action}", _unknown(backend), methods=["POST"], include_in_schema=False)


def _of_codes(body: type[commands.Body]) -> tuple[str, ...]:
    return ("unknown-department",) if "department" in body.model_fields else ()


def _endpoint(backend: Backend, action: Action, body_type: type[commands.Body]) -> Endpoint:
    """The operation of one action. Where every field may be left out, so may the body."""
    command_type: type[commands.Command[commands.Body]] = commands.Command.__class_getitem__(body_type)  # type: ignore[assignment]  # known at run time only

    async def act(
        number: NumberText,
        key: Annotated[Key, Depends(backend.bearer)],
        body: commands.Body,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        wanted = number_in(number)
        refused = await refusal_of(_check(backend, wanted, body, key))
        sent = "" if idempotency_key is None else request_key(key, idempotency_key)
        digest = hashlib.sha256(f"{action}\0{body.model_dump_json()}".encode()).hexdigest()[:32]
        # Built of parts that have been validated already.
        command = command_type.model_construct(actor=actor_of(key), body=body, key=sent, digest=digest)
        outcome = await backend.complaints.act(wanted, command, refused)
        if outcome is None:
            raise await _gone(backend, wanted, action, key)
        if (outcome.action, outcome.digest) != (action, digest):
            raise _reused(outcome.action)
        shown = await backend.shown(wanted, outcome.case.version)
        return render.answer(render.complaint(outcome.case), HTTPStatus.OK if shown else HTTPStatus.ACCEPTED)

    act.__name__ = action.value
    example = Body(openapi_examples={"usual": {"summary": TABLE[action].zh, "value": examples.BODIES[action]}})
    act.__annotations__["body"] = Annotated[body_type, example, backend.by_name]
    if (nothing := _nothing(body_type)) is not None:
        act.__defaults__ = (nothing, None)
    return act


def _nothing(body_type: type[commands.Body]) -> commands.Body | None:
    """The body that says nothing, for actions that need no words."""
    try:
        return body_type()
    except ValidationError:
        return None


async def _check(backend: Backend, number: str, body: commands.Body, key: Key) -> None:
    """Raise ProblemError for what the case cannot know: departments, keys, incidents, other cases of its account."""
    if isinstance(body, commands.LinkIncident) and body.incident is not None:
        await backend.incidents.require_open(body.incident, actor_of(key))
    if isinstance(body, commands.DecideCredit) and body.approved:
        await check_limit(backend, number, body.credit, key)
    # Whoever may not hand over is told so by the case, and not who works here. An administrator acts for anybody.
    if isinstance(body, commands.HandOver) and key.role in TABLE[Action.HAND_OVER].roles:
        owners = backend.bearer.owners()
        if body.owner not in owners:
            detail = f"Nobody named {body.owner!r} has a key, and could reply; accepted: {', '.join(owners)}."
            raise ProblemError("unknown-owner", detail, accepted=list(owners))
    if isinstance(body, (commands.Dispatch, commands.Involve)):
        backend.catalogue.department(body.department)


async def _gone(backend: Backend, number: str, action: Action, key: Key) -> ProblemError:
    """Why no workflow took the action: there never was such a case, or it is over."""
    view: CaseView | None = await backend.find(number, key)
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
        accepted = [known.value for known in commands.BODIES]
        hint = " A complaint is registered by POST /v1/complaints." if action == Action.REGISTER else ""
        raise ProblemError("unknown-action", f"There is no action {action[:40]!r} here.{hint}", accepted=accepted)

    return unknown


def _description(row: Row, body: type[commands.Body]) -> str:
    sources = ", ".join(f"{STATE_ZH[state]} `{state}`" for state in STATE_ZH if state in row.sources)
    targets = ", ".join(f"{STATE_ZH[state]} `{state}`" for state in row.targets) or "the same state 状态不变"
    roles = ", ".join(f"{ROLE_ZH[role]} `{role}`" for role in ROLE_ZH if role in row.roles)
    facts = f"* from 从: {sources}\n* to 到: {targets}\n* by 由: {roles}, 管理员 `admin`"
    return f"{row.description}\n\n{body.__doc__}\n\n{facts}"
