"""Parts of cases that further departments do (协办), as a list."""

from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.codes import BY_NAME
from api.edge.problems import OTHER_DEPARTMENT, UNKNOWN, ProblemError
from api.openapi import Operations
from api.rights import department_within
from api.routes.parameters import LIST_ERRORS, Paging
from api.schemas import PartPage
from api.sign_in.security import RequestActor
from domain.case.parts import PartState
from domain.rights.rights import READ_PARTS
from domain.shared.codes import DepartmentCode, words
from readmodel.cases.queries import list_parts as parts_of


class PartListing(Paging):
    """Filters of a list of parts."""

    department: DepartmentCode | None = Field(
        default=None,
        description="The department, by code or name; by default your own.",
        examples=["repair"],
    )
    state: tuple[PartState, ...] = Field(
        default=(), description="State of the part; repeat it for several states.", examples=[["dispatched"]]
    )


operations = Operations("complaints")


@operations.get(
    "/v1/parts",
    "List the parts of a department (协办)",
    READ_PARTS,
    PartPage,
    "parts",
    (*LIST_ERRORS, UNKNOWN["department"], OTHER_DEPARTMENT),
)
async def list_parts(
    backend: Backend, wanted: Annotated[PartListing, Query(), BY_NAME], actor: RequestActor
) -> Response:
    """List the parts of a department in cases of others; `GET /v1/complaints` lists its own cases."""
    department = department_within(READ_PARTS, actor, wanted.department) or actor.department
    if department is None:
        detail = "Your key has no department: name one with the parameter `department`."
        raise ProblemError(UNKNOWN["department"], detail, accepted=words(backend.catalogue.departments))
    page = await backend.reader.ask(parts_of, department, wanted.state, wanted.cursor, wanted.limit)
    return render.page((render.part(item, actor) for item in page.items), page.next_cursor)
