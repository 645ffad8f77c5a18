"""People of the company (人员), so that a case can be handed to one of them."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.codes import BY_NAME
from api.edge.problems import INVALID_REQUEST, UNKNOWN
from api.openapi import Operations
from api.schemas import PeoplePage
from domain.rights.rights import READ_REFERENCE
from domain.shared.actors import StaffRole
from domain.shared.codes import DepartmentCode, DistrictCode


class PeopleListing(BaseModel, extra="forbid"):
    """Filters of the list of people."""

    role: StaffRole | None = Field(default=None, description="Only of this role.")
    department: DepartmentCode | None = Field(default=None, description="Only of this department.")
    district: DistrictCode | None = Field(default=None, description="Only those who work in this district.")


operations = Operations("reference")


@operations.get(
    "/v1/people",
    "List the people of the company 人员",
    READ_REFERENCE,
    PeoplePage,
    "people",
    (INVALID_REQUEST, UNKNOWN["department"], UNKNOWN["district"]),
)
async def list_people(backend: Backend, wanted: Annotated[PeopleListing, Query(), BY_NAME]) -> Response:
    """List people by id, without those who have left. Who has no districts works in all."""
    found = [
        person
        for person in sorted(backend.people.present(), key=lambda person: person.id)
        if wanted.role in (None, person.role)
        and wanted.department in (None, person.department)
        and (wanted.district is None or not person.districts or wanted.district in person.districts)
    ]
    return render.page(map(render.person, found), None)
