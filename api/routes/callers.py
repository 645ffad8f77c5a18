"""Records of callers and customers, for staff."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.problems import INVALID_REQUEST, ProblemError, declare
from api.rights import department_within
from api.routes.parameters import FIND_ERRORS, CaseNumber
from api.sql.reader import READ_MODEL_UNAVAILABLE
from domain.customers.customer import CallerRecord
from domain.rights.rights import READ_CALLERS, READ_CUSTOMERS
from domain.shared.actors import Actor
from domain.shared.text import AccountNo
from readmodel.caller_records import caller_record, customer_record
from readmodel.paging import Place

CUSTOMER_NOT_FOUND = declare("customer-not-found", HTTPStatus.NOT_FOUND, "Customer not found")


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations on callers."""
    operations = openapi.Operations(router, backend.bearer, "callers")

    @operations.get(
        "/v1/complaints/{number}/caller",
        "Read what is known of a complaint's caller",
        READ_CALLERS,
        CallerRecord,
        "caller",
        FIND_ERRORS,
    )
    async def get_caller(number: CaseNumber, actor: Annotated[Actor, Depends(backend.bearer)]) -> Response:
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
        account_no: Annotated[AccountNo, Path(description="The account (户号).", examples=["0420013"])],
        actor: Annotated[Actor, Depends(backend.bearer)],
    ) -> Response:
        """Read the customer as the registry has it, with the latest cases and the thanks (表扬)."""
        record = await backend.reader.ask(customer_record, account_no, backend.catalogue.area_code)
        if record is None:
            detail = f"The registry has no account {account_no}. `hotline customers import` adds it."
            raise ProblemError(CUSTOMER_NOT_FOUND, detail)
        return render.answer(render.record(record, actor))
