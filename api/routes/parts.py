"""Parts of cases that further departments do (协办), as a list."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.problems import UNKNOWN, ProblemError
from api.routes.parameters import LIST_ERRORS, Paging
from api.schemas import PartPage
from api.security import STAFF
from domain.case.parts import PartState
from domain.shared.actors import Actor
from domain.shared.codes import DepartmentCode, words
from readmodel.parts import list_parts as parts_of


class PartListing(Paging):
    """Filters of a list of parts."""

    department: DepartmentCode | None = Field(
        default=None,
        description="The department, by code or name; by default the one of your key.",
        examples=["repair"],
    )
    state: tuple[PartState, ...] = Field(
        default=(), description="State of the part; repeat it for several states.", examples=[["dispatched"]]
    )


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the list of parts."""
    operations = openapi.Operations(router, backend.bearer, "complaints")

    @operations.get(
        "/v1/parts",
        "List the parts of a department (协办)",
        PartPage,
        "parts",
        (*LIST_ERRORS, UNKNOWN["department"]),
        STAFF,
    )
    async def list_parts(
        wanted: Annotated[PartListing, Query(), backend.by_name], actor: Annotated[Actor, Depends(backend.bearer)]
    ) -> Response:
        """List the parts of a department in cases of others; `GET /v1/complaints` lists its own cases."""
        department = wanted.department or actor.department
        if department is None:
            detail = "Your key has no department: name one with the parameter `department`."
            raise ProblemError(UNKNOWN["department"], detail, accepted=words(backend.catalogue.departments))
        page = await backend.reader.ask(parts_of, department, wanted.state, wanted.cursor, wanted.limit)
        return render.page(map(render.part, page.items), page.next_cursor)
