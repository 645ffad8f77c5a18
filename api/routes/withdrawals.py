"""Withdrawals (撤销) by a call that the call does not confirm, as a list."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.calls import UnconfirmedPage
from api.openapi import Operations
from api.routes.parameters import LIST_ERRORS, LongPaging
from domain.rights.rights import CHECK_WITHDRAWALS
from readmodel.calls.withdrawals import unconfirmed

operations = Operations("calls")


@operations.get(
    "/v1/unconfirmed-withdrawals",
    "List unconfirmed withdrawals 撤销核对",
    CHECK_WITHDRAWALS,
    UnconfirmedPage,
    "unconfirmed_withdrawals",
    LIST_ERRORS,
)
async def list_unconfirmed_withdrawals(backend: Backend, paging: Annotated[LongPaging, Query()]) -> Response:
    """List withdrawals by agents who did not own the case, where the call they named does not confirm it."""
    area_code = backend.catalogue.area_code
    page = await backend.reader.ask(unconfirmed, backend.clock(), area_code, paging.cursor, paging.limit)
    return render.page(map(render.unconfirmed, page.items), page.next_cursor)
