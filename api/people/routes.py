"""Records of callers and customers, for staff."""

import logging
from http import HTTPStatus
from typing import Annotated, Self

from fastapi import APIRouter, Path
from pydantic import Field, model_validator
from pydantic.config import JsonDict

from api.complaints.cases import TheCases
from api.dependencies import TheCatalogue, TheReader
from api.edge.limits import LOOKUP
from api.edge.problems import ProblemError, declare
from api.parameters import CaseNumber
from api.responses import body_like, masked_for, problems
from api.routing import OnceRoute, department_within, needs
from api.temporal.errors import TEMPORAL_ERRORS
from domain.case.intake import Caller
from domain.customers.customer import CallerRecord, KnownCaller
from domain.rights.rights import READ_CALLERS, READ_CUSTOMERS
from domain.shared.actors import Actor
from domain.shared.text import AccountNo, Phone
from domain.shared.value import Value
from readmodel.base.paging import Place
from readmodel.callers import caller_record, customer_record, known_caller

log = logging.getLogger("hotline.api")

CUSTOMER_NOT_FOUND = declare("customer-not-found", HTTPStatus.NOT_FOUND, "Customer not found")


def _only(name: str, other: str) -> JsonDict:
    return {"required": [name], "properties": {name: {"type": "string"}, other: {"type": "null"}}}


class Lookup(Value):
    """Telephone or account of whoever calls; exactly one of them."""

    model_config = body_like(
        {"phone": "0760 8823 7777"}, oneOf=[_only("phone", "account_no"), _only("account_no", "phone")]
    )

    phone: Phone | None = Field(default=None, description="As it is shown or said, with or without the area code.")
    account_no: AccountNo | None = Field(default=None, description="The account (户号).")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.phone is None) == (self.account_no is None):
            raise ValueError("Accepted: phone or account_no, and not both")
        return self


router = APIRouter(tags=["callers"], route_class=OnceRoute)


@router.get(
    "/v1/complaints/{number}/caller",
    summary="Read what is known of a complaint's caller",
    responses=problems(*TEMPORAL_ERRORS),
)
async def get_caller(
    number: CaseNumber,
    actor: Annotated[Actor, needs(READ_CALLERS)],
    reader: TheReader,
    catalogue: TheCatalogue,
    cases: TheCases,
) -> CallerRecord:
    """Read the customer of the account, or else of the telephone, with earlier cases and thanks (表扬).

    A crew sees those of its department.
    """
    case = await cases.get(number, actor, READ_CALLERS)
    place, area_code = Place(case.registered_at, number), catalogue.area_code
    department = department_within(READ_CALLERS, actor, None)
    record = await reader.ask(caller_record, case.caller, place, area_code, department)
    return masked_for(actor, record, case.state)


@router.get(
    "/v1/customers/{account_no}",
    summary="Read what is known of a customer",
    responses=problems(CUSTOMER_NOT_FOUND),
)
async def get_customer(
    account_no: Annotated[AccountNo, Path(description="The account (户号).", examples=["0420013"])],
    actor: Annotated[Actor, needs(READ_CUSTOMERS)],
    reader: TheReader,
    catalogue: TheCatalogue,
) -> CallerRecord:
    """Read the customer as the registry has it, with the latest cases and the thanks (表扬)."""
    record = await reader.ask(customer_record, account_no, catalogue.area_code)
    if record is None:
        detail = f"The registry has no account {account_no}. `hotline customers import` adds it."
        raise ProblemError(CUSTOMER_NOT_FOUND, detail)
    return masked_for(actor, record)


@router.post(LOOKUP, summary="Look a caller up before registering 查来电人")
async def look_up_caller(
    body: Lookup, actor: Annotated[Actor, needs(READ_CUSTOMERS)], reader: TheReader, catalogue: TheCatalogue
) -> KnownCaller:
    """Tell who calls: the customer, open and earlier cases, thanks, and open incidents where the caller lives.

    It changes nothing, and counts among the requests that read. A stranger is answered 200 with `customer: null`.
    """
    caller = Caller(phone=body.phone, account_no=body.account_no)
    found = await reader.ask(known_caller, caller, catalogue.area_code)
    by, whom = ("telephone" if body.phone else "account"), ("a customer" if found.customer else "no customer")
    log.info("person %s looked up a caller by %s: %s", actor.id, by, whom)
    return masked_for(actor, found)
