"""Records of callers and customers for staff, and handovers (全部移交) of all open cases of a person."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.complaints.cases import TheCases
from api.directory import ACCEPTED, UNKNOWN_PEOPLE
from api.edge.limits import LOOKUP
from api.edge.problems import ProblemError, declare, kind_of
from api.parameters import POST_ERRORS, CaseParam, RequestKey
from api.responses import also, body_like, masked_for, problems
from api.routing import BackendParts, StrictRoute, TheBackend, department_within, from_backend, needs
from api.temporal.client import HandoverClient
from api.temporal.errors import TEMPORAL_ERRORS, request_of
from domain.case.actions.hand_over import SAME_OWNER
from domain.case.bulk import Handover, HandoverProgress, OpenWork
from domain.case.intake import Caller
from domain.customers.customer import CallerRecord, KnownCaller
from domain.rights.rights import READ_CALLERS, READ_CUSTOMERS, RIGHT_TO_HAND_OVER
from domain.shared.actors import Actor
from domain.shared.phones import Phone
from domain.shared.value import AccountNo, Immutable, Name, Text, Value
from readmodel.base.paging import Position
from readmodel.callers import caller_record, customer_record, known_caller
from readmodel.people.workload import assigned_to, begin_handover, count_owned
from workflows.clients.start import Request

log = logging.getLogger("hotline.api")

CUSTOMER_NOT_FOUND = declare("customer-not-found", HTTPStatus.NOT_FOUND, "Customer not found")


def _only(name: str, other: str) -> JsonDict:
    return {"required": [name], "properties": {name: {"type": "string"}, other: {"type": "null"}}}


class Lookup(Value):
    """Telephone or account of whoever calls; exactly one of them."""

    model_config = body_like(
        {"phone": "0760 8823 7777"}, oneOf=[_only("phone", "account_no"), _only("account_no", "phone")]
    )

    phone: Phone | None = Field(None, description="As it is shown or said, with or without the area code.")
    account_no: AccountNo | None = Field(None, description="The account (户号).")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.phone is None) == (self.account_no is None):
            raise PydanticCustomError("one_key_of_callers", "Accepted: phone or account_no, and not both")
        return self


router = APIRouter(route_class=StrictRoute)


@router.get(
    "/v1/complaints/{number}/caller",
    tags=["callers"],
    summary="Read what is known of a complaint's caller",
    responses=problems(*TEMPORAL_ERRORS),
)
async def get_caller(
    number: CaseParam, actor: Annotated[Actor, needs(READ_CALLERS)], cases: TheCases, backend: TheBackend
) -> CallerRecord:
    """Read the customer of the account, or else of the telephone, with earlier cases and thanks (表扬).

    A crew sees those of its department.
    """
    case = await cases.get(number, actor, READ_CALLERS)
    position, area_code = Position(case.registered_at, number), backend.catalogue.area_code
    department = department_within(READ_CALLERS, actor, None)
    record = await backend.reader.ask(caller_record, case.caller, position, area_code, department)
    return masked_for(actor, record, case.state)


@router.get(
    "/v1/customers/{account_no}",
    tags=["callers"],
    summary="Read what is known of a customer",
    responses=problems(CUSTOMER_NOT_FOUND),
)
async def get_customer(
    account_no: Annotated[AccountNo, Path(description="The account (户号).", examples=["0420013"])],
    actor: Annotated[Actor, needs(READ_CUSTOMERS)],
    backend: TheBackend,
) -> CallerRecord:
    """Read the customer as the registry has it, with the latest cases and the thanks (表扬)."""
    record = await backend.reader.ask(customer_record, account_no, backend.catalogue.area_code)
    if record is None:
        detail = f"The registry has no account {account_no}. `hotline customers import` adds it."
        raise ProblemError(CUSTOMER_NOT_FOUND, detail)
    return masked_for(actor, record)


@router.post(LOOKUP, tags=["callers"], summary="Look a caller up before registering 查来电人")
async def look_up_caller(
    body: Lookup, actor: Annotated[Actor, needs(READ_CUSTOMERS)], backend: TheBackend
) -> KnownCaller:
    """Tell who calls: the customer, open and earlier cases, thanks, and open incidents where the caller lives.

    It changes nothing, and counts among the requests that read. A stranger is answered 200 with `customer: null`.
    """
    caller = Caller(phone=body.phone, account_no=body.account_no)
    found = await backend.reader.ask(known_caller, caller, backend.catalogue.area_code)
    by, whom = ("telephone" if body.phone else "account"), ("a customer" if found.customer else "no customer")
    log.info("person %s looked up a caller by %s: %s", actor.id, by, whom)
    return masked_for(actor, found)


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


class HandoverItem(Immutable):
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
    def of(cls, progress: HandoverProgress, to_assign: Sequence[OpenWork]) -> Self:
        order = progress.handover
        return cls.taken_from(
            order,
            progress,
            **{"from": order.previous_owner, "to": order.owner},
            by=order.actor.id,
            refused=[RefusedCase(number=number, why=why) for number, why in progress.refused.items()],
            to_assign=to_assign,
            links={"self": f"/v1/handovers/{order.id}"},
        )


@dataclass(frozen=True)
class Handovers:
    """Handovers, as their workflows have them."""

    client: HandoverClient
    backend: BackendParts

    async def begin(self, body: NewHandover, actor: Actor, request: Request) -> HandoverProgress:
        """Begin the handover that is asked for, which has the key of its request as id. Raises ProblemError."""
        finder = self.backend.person_finder
        previous, owner = finder.former_owner(body.previous_owner), finder.owner(body.owner)
        if owner.id == previous.id:
            detail = f"{owner.id} owns these cases already."
            raise ProblemError(
                kind_of(SAME_OWNER), detail, accepted=[("其他人员的工号或姓名", "another person's id or name")]
            )
        if not self.backend.people.get(previous.id) and not await self.backend.reader.ask(count_owned, previous.id):
            detail = f"{body.previous_owner!r} is nobody in the directory, and owns no open case."
            raise ProblemError(UNKNOWN_PEOPLE["owner"], detail, accepted=ACCEPTED)
        ends = {"previous_owner": previous.id, "owner": owner.id}
        order = Handover(id=request.key, **ends, people=owner.people, reason=body.reason, actor=actor)
        # Before the start: an API that dies in between has begun nothing, and the same request begins it.
        await self.backend.direct.write(partial(begin_handover, handover=order, at=self.backend.now))
        await self.client.start(order, request)
        return HandoverProgress(handover=order)

    async def found(self, handover_id: str) -> HandoverProgress:
        progress = await self.client.progress(handover_id)
        if progress is None:
            raise ProblemError(HANDOVER_NOT_FOUND, f"There is no handover with the id {handover_id}.")
        return progress

    async def answer(self, progress: HandoverProgress, response: Response) -> HandoverItem:
        response.headers["Location"] = f"/v1/handovers/{progress.handover.id}"
        return HandoverItem.of(progress, await self.backend.reader.ask(assigned_to, progress.handover.previous_owner))


TheHandovers = Annotated[Handovers, from_backend("handovers")]


@router.post(
    "/v1/handovers",
    tags=["handovers"],
    summary="全部移交: hand over all open cases of a person",
    status_code=202,
    responses=also(200, HandoverItem) | problems(*POST_ERRORS, UNKNOWN_PEOPLE["owner"], kind_of(SAME_OWNER)),
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
    tags=["handovers"],
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
