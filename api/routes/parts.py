"""A department's own work in the cases of others (协办)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.problems import ProblemError
from api.routes.complaints import bad_cursor
from api.routes.parameters import Paging
from api.schemas import PartPage
from api.security import Key, staff_only
from domain.case.parts import PartState
from domain.shared.codes import DepartmentCode, words
from readmodel.paging import BadCursorError


class PartListing(Paging):
    """Whose parts, and which of them."""

    department: DepartmentCode | None = Field(
        default=None, description="The department, by code or name; your own key's, where it is left out."
    )
    state: tuple[PartState, ...] = Field(
        default=(), description="Where the part stands; repeat it for several states.", examples=[["dispatched"]]
    )


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the list of parts."""

    @router.get(
        "/v1/parts",
        tags=["complaints"],
        operation_id="list_parts",
        summary="List the parts of a department (协办)",
        response_model=PartPage,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("A page, the latest involvement first.", "parts"),
            **openapi.errors(
                "unauthorized",
                "malformed-key",
                "wrong-role",
                "invalid-request",
                "unknown-department",
                "invalid-cursor",
                "read-model-unavailable",
            ),
        },
    )
    async def list_parts(
        wanted: Annotated[PartListing, Query(), backend.by_name], key: Annotated[Key, Depends(backend.bearer)]
    ) -> Response:
        """What the department has been involved in. Cases that it has itself are found by `GET /v1/complaints`."""
        department = wanted.department or key.department
        if department is None:
            detail = "Your key has no department: say by `department` whose parts are meant."
            raise ProblemError("unknown-department", detail, accepted=list(words(backend.catalogue.departments)))
        try:
            page = await backend.reader.parts(department, wanted.state, wanted.cursor, wanted.limit)
        except BadCursorError as error:
            raise bad_cursor(str(error)) from None
        return render.page(map(render.part, page.items), page.next_cursor)
