"""Who calls: what staff see of a case's caller, and of a customer."""

from enum import Enum
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.problems import ProblemError
from api.routes.parameters import NumberText, not_found, number_in
from api.security import Key, actor_of, staff_only
from domain.customers.customer import CallerRecord
from domain.shared.text import AccountNo
from readmodel.paging import Place

TAGS: list[str | Enum] = ["callers"]
_READ = ("unauthorized", "malformed-key", "wrong-role", "read-model-unavailable")


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations on callers."""
    _add_caller(router, backend)
    _add_customer(router, backend)


def _add_caller(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/complaints/{number}/caller",
        tags=TAGS,
        operation_id="get_caller",
        summary="Read what is known of a complaint's caller",
        response_model=CallerRecord,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("The caller, as known before this call.", "caller"),
            **openapi.errors(
                *_READ, "complaint-not-found", "invalid-number", "temporal-unavailable", "no-answer-in-time"
            ),
        },
    )
    async def get_caller(number: NumberText, key: Annotated[Key, Depends(backend.bearer)]) -> Response:
        """The customer of the account, or else of the telephone, with the cases and the thanks (表扬) of before."""
        wanted = number_in(number)
        case = await backend.find(wanted, actor_of(key))
        if case is None:
            raise not_found(wanted)
        return _answer(await backend.reader.caller(case.caller, Place(case.registered_at, wanted)))


def _add_customer(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/customers/{account_no}",
        tags=TAGS,
        operation_id="get_customer",
        summary="Read what is known of a customer",
        response_model=CallerRecord,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("The customer, with cases and thanks.", "caller"),
            **openapi.errors(*_READ, "customer-not-found", "invalid-request"),
        },
    )
    async def get_customer(
        account_no: Annotated[AccountNo, Path(description="The account (户号).", examples=["0420013"])],
    ) -> Response:
        """The customer as the registry has it, with the latest cases and the thanks (表扬)."""
        record = await backend.reader.customer(account_no)
        if record is None:
            detail = f"The registry has no account {account_no}. `hotline customers import` adds it."
            raise ProblemError("customer-not-found", detail)
        return _answer(record)


def _answer(record: CallerRecord) -> Response:
    return render.answer(record.model_dump_json().encode())
