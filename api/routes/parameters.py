"""Parameters that several operations share."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any, get_origin

from fastapi import Header, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from api.problems import FieldError, ProblemError, invalid_request
from api.security import IDEMPOTENCY_KEY, LONGEST_KEY
from domain.case.lifecycle import State
from domain.shared.codes import Code, DepartmentCode, DistrictCode, ServiceCode
from domain.shared.numbers import ACCEPTED, NumberError, parse_number
from domain.shared.text import Name
from readmodel.search import CaseFilters

LONGEST_PAGE = 200
USUAL_PAGE = 50

NumberText = Annotated[
    str,
    Path(alias="number", description=f"The case number (工单号): {ACCEPTED}.", examples=["2608034711004"]),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_KEY,
        description=(
            f"Any text of 1 to {LONGEST_KEY} characters, new for each thing that is meant. Sent again with the same"
            " body, the request is not carried out again: the answer tells what became of it."
        ),
        examples=["3f8c2b6e-6c53-4b52-9a57-0a3f6f3c1d11"],
    ),
]


class OnceRoute(APIRoute):
    """A route that refuses a query parameter which is given several times, unless a tuple of its values is taken."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves a request."""
        serve = super().get_route_handler()
        parameters = [field.field_info.annotation for field in self.dependant.query_params]
        if not parameters:
            return serve
        several = {*_several(parameters)}

        async def once(request: Request) -> Response:
            given = Counter(name for name, _ in request.query_params.multi_items() if name not in several)
            if repeated := [(name, times) for name, times in given.items() if times > 1]:
                fault = "Given {} times; accepted: once"
                raise invalid_request(
                    [FieldError(field=f"query.{name}", message=fault.format(times)) for name, times in repeated]
                )
            return await serve(request)

        return once


def _several(parameters: Iterable[Any]) -> Iterable[str]:
    """Names of the fields of parameters' models that take several values."""
    fields = [field for model in parameters for field in getattr(model, "model_fields", {}).items()]
    return (name for name, field in fields if get_origin(field.annotation) is tuple)


class Paging(BaseModel):
    """Which page of a list; a parameter that does not exist is refused, so that a slip does not list everything."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=USUAL_PAGE, ge=1, le=LONGEST_PAGE, description="Most items on the page.")
    cursor: str | None = Field(
        default=None, max_length=100, description="`next_cursor` of the page before; leave it out for the first page."
    )


class LongPaging(Paging):
    """A page of a list whose places are keys of messages, which are longer than numbers."""

    cursor: str | None = Field(
        default=None, max_length=600, description="`next_cursor` of the page before; leave it out for the first page."
    )


class Listing(Paging):
    """Which complaints a list shows; the filters narrow it together."""

    state: tuple[State, ...] = Field(
        default=(), description="Where it stands; repeat it for several states.", examples=[["in_progress"]]
    )
    department: DepartmentCode | None = Field(
        default=None, description="Department that has it, by code or name.", examples=["repair"]
    )
    owner: Name | None = Field(default=None, description="Name of the agent who owns it (首问责任人).")
    service: ServiceCode | None = Field(default=None, description="Service, by code or name.", examples=["no_water"])
    district: DistrictCode | None = Field(default=None, description="District, by code or name.", examples=["west"])
    overdue: bool | None = Field(default=None, description="A promise has been missed and is still not kept.")
    incident: Code | None = Field(default=None, description="Code of the incident it is linked to (并案).")
    q: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Words to find: number, caller's name, telephone, account number, address; all must occur.",
        examples=["下闸新村"],
    )

    def filters(self) -> CaseFilters:
        """As the read model takes them."""
        return CaseFilters(
            state=self.state,
            department=self.department,
            owner=self.owner,
            service_code=self.service,
            district=self.district,
            overdue=self.overdue,
            incident=self.incident,
            q=self.q,
        )


def number_in(text: str) -> str:
    """The number that a path names. Raises ProblemError."""
    try:
        return parse_number(text)
    except NumberError as error:
        raise ProblemError("invalid-number", str(error), accepted=[ACCEPTED]) from None


def not_found(number: str) -> ProblemError:
    """The problem of a number that no case has."""
    return ProblemError("complaint-not-found", f"There is no complaint with the number {number}.")
