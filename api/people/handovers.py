"""Handovers (全部移交): all open cases of a person who is ill or leaves get another owner."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.dependencies import part
from api.directory import ACCEPTED, UNKNOWN_OWNER, Naming, People
from api.edge.problems import ProblemError, declare, kind_of
from api.parameters import POST_ERRORS, RequestKey
from api.responses import also, body_like, problems
from api.routing import OnceRoute, needs
from api.sql import DirectWriter, Reader
from api.temporal.client import HandoverClient
from api.temporal.errors import TEMPORAL_ERRORS, request_of
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

    @classmethod
    def of(cls, progress: HandoverProgress, to_assign: Iterable[OpenWork]) -> Self:
        order = progress.handover
        ends = {"from": order.previous_owner, "to": order.owner}
        return cls(
            **ends,
            id=order.id,
            reason=order.reason,
            by=order.actor.id,
            state=progress.state,
            handed_over=progress.handed_over,
            refused=[RefusedCase(number=number, why=why) for number, why in progress.refused.items()],
            to_assign=tuple(to_assign),
            links={"self": f"/v1/handovers/{order.id}"},
        )


@dataclass(frozen=True)
class Handovers:
    """Handovers, as their workflows have them."""

    client: HandoverClient
    reader: Reader
    writer: DirectWriter
    naming: Naming
    people: People
    clock: Callable[[], datetime]

    async def begin(self, body: NewHandover, actor: Actor, request: Request) -> HandoverProgress:
        """Begin the handover that is asked for. Raises ProblemError."""
        begun = HandoverProgress(handover=await self._ordered(request.key, body, actor))
        # Before the start: an API that dies in between has begun nothing, and the same request begins it.
        await self.writer.write(partial(begin_handover, handover=begun.handover, at=self.clock()))
        await self.client.start(begun.handover, request)
        return begun

    async def _ordered(self, handover_id: str, body: NewHandover, actor: Actor) -> Handover:
        """Return the handover that is asked for. Raises ProblemError."""
        previous, owner = self.naming.former_owner(body.previous_owner), self.naming.new_owner(body.owner)
        if owner.id == previous.id:
            detail = f"{owner.id} owns these cases already."
            raise ProblemError(kind_of(SAME_OWNER), detail, accepted=["another person's id or name"])
        if not self.people.get(previous.id) and not await self.reader.ask(count_owned, previous.id):
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

    async def found(self, handover_id: str) -> HandoverProgress:
        progress = await self.client.progress(handover_id)
        if progress is None:
            raise ProblemError(HANDOVER_NOT_FOUND, f"There is no handover with the id {handover_id}.")
        return progress

    async def answer(self, progress: HandoverProgress, response: Response) -> HandoverItem:
        response.headers["Location"] = f"/v1/handovers/{progress.handover.id}"
        return HandoverItem.of(progress, await self.reader.ask(assigned_to, progress.handover.previous_owner))


TheHandovers = Annotated[Handovers, part("handovers")]


router = APIRouter(tags=["handovers"], route_class=OnceRoute)


@router.post(
    "/v1/handovers",
    summary="全部移交: hand over all open cases of a person",
    status_code=202,
    responses=also(200, HandoverItem) | problems(*POST_ERRORS, UNKNOWN_OWNER, kind_of(SAME_OWNER)),
)
async def hand_over_all(
    body: NewHandover,
    actor: Annotated[Actor, needs(RIGHT_TO_HAND_OVER)],
    key: RequestKey,
    handovers: TheHandovers,
    response: Response,
) -> HandoverItem:
    """Give every open case that `from` owns to `to`: 200 if that is done soon, 202 while it goes on.

    Cases and parts that `from` is to do are listed in `to_assign`; they stay as they are.
    """
    request, begun = request_of(key, body), None
    if not key or not await handovers.client.is_started(request):
        begun = await handovers.begin(body, actor, request)
    progress = await handovers.client.wait(request.key) or begun or await handovers.found(request.key)
    if progress.state == "done":
        response.status_code = HTTPStatus.OK
    return await handovers.answer(progress, response)


@router.get(
    "/v1/handovers/{id}",
    summary="Read how far a handover is",
    dependencies=[needs(RIGHT_TO_HAND_OVER)],
    responses=problems(HANDOVER_NOT_FOUND, *TEMPORAL_ERRORS),
)
async def get_handover(
    handover_id: Annotated[
        str,
        Path(
            alias="id",
            pattern="^[0-9a-f]{32}$",
            description="The `id` of the handover.",
            examples=["0f1e2d3c4b5a69788796a5b4c3d2e1f0"],
        ),
    ],
    handovers: TheHandovers,
    response: Response,
) -> HandoverItem:
    """Read the counts and the cases that refused, for as long as Temporal keeps ended workflows."""
    return await handovers.answer(await handovers.found(handover_id), response)
