"""Handovers (全部移交): all open cases of a person who is ill or leaves get another owner."""

import uuid
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import examples, render
from api.backend import Backend
from api.edge.problems import INVALID_REQUEST, ProblemError, declare, kind_of
from api.naming import ACCEPTED, UNKNOWN_OWNER
from api.openapi import Operations
from api.routes.parameters import POST_ERRORS, IdempotencyKey
from api.schemas import body_like
from api.sign_in.security import RequestActor, digest_of, request_key
from api.sql.reader import READ_MODEL_UNAVAILABLE
from api.temporal.client import TEMPORAL_ERRORS
from domain.case.actions.hand_over import SAME_OWNER
from domain.case.bulk import Handover, HandoverProgress, OpenWork
from domain.rights.rights import RIGHT_TO_HAND_OVER
from domain.shared.actors import Actor
from domain.shared.text import Name, Text
from readmodel.people.workload import assigned_to, begin_handover, count_owned
from workflows.clients.start import Request

HANDOVER_NOT_FOUND = declare("handover-not-found", HTTPStatus.NOT_FOUND, "Handover not found")


class NewHandover(BaseModel):
    """Order to hand over all open cases of a person."""

    model_config = body_like({"from": "10023", "to": "10024", "reason": "Sick leave. 病假"})

    previous_owner: Name = Field(alias="from", description="The owner, by id or name; the person may have left.")
    owner: Name = Field(alias="to", description="The new owner, by id or name: a person of no crew.")
    reason: Text = Field(description="It stands on the timeline of each case.")


class RefusedCase(BaseModel):
    """Case that was not handed over."""

    number: str
    why: str


class HandoverItem(BaseModel):
    """Handover (全部移交) of all open cases of a person, and how far it is."""

    id: str
    previous_owner: Annotated[str, Field(alias="from", description="Id of the person who owned the cases.")]
    owner: Annotated[str, Field(alias="to", description="Id of the new owner.")]
    reason: str
    by: str = Field(description="Id of the supervisor.")
    state: Literal["running", "done", "ended"] = Field(
        description="`ended`: its workflow was ended by hand; what it has done stays."
    )
    handed_over: int = Field(description="Number of the cases that have the new owner.")
    refused: list[RefusedCase] = Field(description="Cases that were not handed over.")
    to_assign: tuple[OpenWork, ...] = Field(
        description="Open cases and parts that `from` is to do, now: `assign` gives each to another person."
    )
    links: dict[str, str] = Field(description="`self` is its progress.")


operations = Operations("handovers")


@operations.post(
    "/v1/handovers",
    "全部移交: hand over all open cases of a person",
    RIGHT_TO_HAND_OVER,
    HandoverItem,
    {202: "handover", 200: "handover"},
    (*POST_ERRORS, READ_MODEL_UNAVAILABLE, UNKNOWN_OWNER, kind_of(SAME_OWNER)),
)
async def hand_over_all(
    backend: Backend, body: NewHandover, actor: RequestActor, idempotency_key: IdempotencyKey = None
) -> Response:
    """Give every open case that `from` owns to `to`: 200 if that is done soon, 202 while it goes on.

    Cases and parts that `from` is to do are listed in `to_assign`; they stay as they are.
    """
    key = uuid.uuid4().hex if idempotency_key is None else request_key(actor, idempotency_key)
    request = Request(key=key, digest=digest_of(body.model_dump_json()))
    begun = None
    if idempotency_key is None or not await backend.handovers.is_started(request):
        begun = HandoverProgress(handover=await _ordered(backend, key, body, actor))
        # Before the start: an API that dies in between has begun nothing, and the same request begins it.
        await backend.direct.write(partial(begin_handover, handover=begun.handover, at=backend.clock()))
        await backend.handovers.start(begun.handover, request)
    progress = await backend.handovers.wait(key) or begun or await _found(backend, key)
    status = HTTPStatus.OK if progress.state == "done" else HTTPStatus.ACCEPTED
    return await _answer(backend, progress, status)


@operations.get(
    "/v1/handovers/{id}",
    "Read how far a handover is",
    RIGHT_TO_HAND_OVER,
    HandoverItem,
    "handover",
    (INVALID_REQUEST, READ_MODEL_UNAVAILABLE, HANDOVER_NOT_FOUND, *TEMPORAL_ERRORS),
)
async def get_handover(
    backend: Backend,
    handover_id: Annotated[
        str,
        Path(
            alias="id",
            pattern="^[0-9a-f]{32}$",
            description="The `id` of the handover.",
            examples=[examples.HANDOVER.handover.id],
        ),
    ],
) -> Response:
    """Read the counts and the cases that refused, for as long as Temporal keeps ended workflows."""
    return await _answer(backend, await _found(backend, handover_id), HTTPStatus.OK)


async def _ordered(backend: Backend, handover_id: str, body: NewHandover, actor: Actor) -> Handover:
    """Return the handover that is asked for. Raises ProblemError."""
    previous, owner = backend.naming.former_owner(body.previous_owner), backend.naming.new_owner(body.owner)
    if owner.id == previous.id:
        detail = f"{owner.id} owns these cases already."
        raise ProblemError(kind_of(SAME_OWNER), detail, accepted=["another person's id or name"])
    if not backend.people.get(previous.id) and not await backend.reader.ask(count_owned, previous.id):
        detail = f"{body.previous_owner!r} is nobody in the directory, and owns no open case."
        raise ProblemError(UNKNOWN_OWNER, detail, accepted=ACCEPTED)
    return Handover(
        id=handover_id,
        previous_owner=previous.id,
        owner=owner.id,
        people=owner.people,
        reason=body.reason,
        actor=actor,
    )


async def _found(backend: Backend, handover_id: str) -> HandoverProgress:
    progress = await backend.handovers.progress(handover_id)
    if progress is None:
        raise ProblemError(HANDOVER_NOT_FOUND, f"There is no handover with the id {handover_id}.")
    return progress


async def _answer(backend: Backend, progress: HandoverProgress, status: HTTPStatus) -> Response:
    to_assign = await backend.reader.ask(assigned_to, progress.handover.previous_owner)
    here = {"Location": f"/v1/handovers/{progress.handover.id}"}
    return render.answer(render.handover(progress, to_assign), status, here)
