"""Records of callers and customers, for staff."""

import logging
from http import HTTPStatus
from typing import Annotated, Self

from fastapi import Path
from pydantic import Field, model_validator
from pydantic.config import JsonDict
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.edge.limits import LOOKUP
from api.edge.problems import INVALID_REQUEST, ProblemError, declare
from api.openapi import Operations
from api.rights import department_within
from api.routes.parameters import BODY_ERRORS, FIND_ERRORS, CaseNumber
from api.schemas import body_like
from api.sign_in.security import RequestActor
from api.sql.reader import READ_MODEL_UNAVAILABLE
from domain.case.intake import Caller
from domain.customers.customer import CallerRecord, KnownCaller
from domain.rights.rights import READ_CALLERS, READ_CUSTOMERS
from domain.shared.text import AccountNo, Phone
from domain.shared.value import Value
from readmodel.base.paging import Place
from readmodel.callers.records import caller_record, customer_record, known_caller

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


operations = Operations("callers")


@operations.get(
    "/v1/complaints/{number}/caller",
    "Read what is known of a complaint's caller",
    READ_CALLERS,
    CallerRecord,
    "caller",
    FIND_ERRORS,
)
async def get_caller(backend: Backend, number: CaseNumber, actor: RequestActor) -> Response:
    """Read the customer of the account, or else of the telephone, with earlier cases and thanks (表扬).

    A crew sees those of its department.
    """
    case = await backend.case(number, actor, READ_CALLERS)
    place, area_code = Place(case.registered_at, number), backend.catalogue.area_code
    department = department_within(READ_CALLERS, actor, None)
    record = await backend.reader.ask(caller_record, case.caller, place, area_code, department)
    return render.answer(render.record(record, actor, case.state))


@operations.get(
    "/v1/customers/{account_no}",
    "Read what is known of a customer",
    READ_CUSTOMERS,
    CallerRecord,
    "caller",
    (CUSTOMER_NOT_FOUND, INVALID_REQUEST, READ_MODEL_UNAVAILABLE),
)
async def get_customer(
    backend: Backend,
    account_no: Annotated[AccountNo, Path(description="The account (户号).", examples=["0420013"])],
    actor: RequestActor,
) -> Response:
    """Read the customer as the registry has it, with the latest cases and the thanks (表扬)."""
    record = await backend.reader.ask(customer_record, account_no, backend.catalogue.area_code)
    if record is None:
        detail = f"The registry has no account {account_no}. `hotline customers import` adds it."
        raise ProblemError(CUSTOMER_NOT_FOUND, detail)
    return render.answer(render.record(record, actor))


@operations.post(
    LOOKUP,
    "Look a caller up before registering 查来电人",
    READ_CUSTOMERS,
    KnownCaller,
    {200: "known_caller"},
    (*BODY_ERRORS, READ_MODEL_UNAVAILABLE),
)
async def look_up_caller(backend: Backend, body: Lookup, actor: RequestActor) -> Response:
    """Tell who calls: the customer, open and earlier cases, thanks, and open incidents where the caller lives.

    It changes nothing, and counts among the requests that read. A stranger is answered 200 with `customer: null`.
    """
    caller = Caller(phone=body.phone, account_no=body.account_no)
    found = await backend.reader.ask(known_caller, caller, backend.catalogue.area_code)
    by, whom = ("telephone" if body.phone else "account"), ("a customer" if found.customer else "no customer")
    log.info("person %s looked up a caller by %s: %s", actor.id, by, whom)
    return render.answer(render.record(found, actor))
