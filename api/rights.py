"""Rights as they are enforced: the role at each operation, the reach where a case or a list is read."""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.routing import BaseRoute

from api.edge.problems import OTHER_DEPARTMENT, WRONG_ROLE, ProblemError, declare
from domain.case.lifecycle import ENDED, OPEN, State
from domain.rights.masking import masks_for
from domain.rights.rights import CaseOfSomebody, Reach, Right, reaches
from domain.shared.actors import Actor
from domain.shared.numbers import NumberError, parse_number
from readmodel.cases.filters import CaseFilters
from readmodel.people.people import TOKEN_SHAPE

MASKED_SEARCH = declare("masked-search", HTTPStatus.FORBIDDEN, "Search in masked fields")


class _Key(HTTPBearer):
    """Security scheme of the interface: `Authorization: Bearer hk_...`, or a token of the issuer."""

    async def __call__(self, request: Request) -> Actor:  # type: ignore[override]  # whom the text stands for
        actor: Actor = await request.app.state.backend.bearer(request, await super().__call__(request))
        return actor


KEY = _Key(scheme_name="apiKey", bearerFormat=TOKEN_SHAPE, description=f"An API key: {TOKEN_SHAPE}.", auto_error=False)

TheActor = Annotated[Actor, Depends(KEY)]
"""Person who acts, where another dependency asks for the right."""


class Needs:
    """Dependency on a person whose role has the right; for an action, also the right to read its answer."""

    def __init__(self, right: Right) -> None:
        self.right = right

    async def __call__(self, actor: TheActor) -> Actor:
        """Return who acts. Raises ProblemError 401, 403, or 429 after many."""
        require_role(self.right.needs or self.right, actor)
        return actor


def needs(right: Right) -> Any:  # noqa: ANN401 - as `Depends`
    return Depends(Needs(right))


def right_of(route: BaseRoute) -> Right | None:
    """Return the right that a route takes; None if it takes none."""
    found = _called(route.dependant) if isinstance(route, APIRoute) else ()
    return next((call.right for call in found if isinstance(call, Needs)), None)


def _called(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from _called(each)


def require_role(right: Right, actor: Actor) -> None:
    """Raise ProblemError if the person's role does not have the right."""
    if actor.role not in right.reach:
        accepted = sorted(role.value for role in right.reach)
        detail = f"{right.name} is not for the role {actor.role}; it takes {' or '.join(accepted)}."
        raise ProblemError(WRONG_ROLE, detail, accepted=accepted)


def require_reach(right: Right, actor: Actor, number: str, case: CaseOfSomebody, done: str = "") -> None:
    """Raise ProblemError if the person's right does not reach this case; its detail starts with what was done."""
    if not reaches(right, actor, case):
        detail = f"{done}The case {number} is with another department than yours, {actor.department}."
        raise ProblemError(OTHER_DEPARTMENT, detail, accepted=["a case of your department, or with a part of it"])


def department_within(right: Right, actor: Actor, asked: str | None) -> str | None:
    """Return the department that a list is narrowed to: the one asked for, or the only one that the right reaches.

    None for all departments. Raises ProblemError if another is asked for.
    """
    if right.reach[actor.role] is Reach.ANY:
        return asked
    mine = actor.department
    if mine is None or asked not in (None, mine):
        detail = f"You list the department {mine} only, not {asked or 'others'}."
        raise ProblemError(OTHER_DEPARTMENT, detail, accepted=[mine] if mine else [])
    return mine


def search_within(actor: Actor, filters: CaseFilters) -> CaseFilters:
    """Return filters by which a search confirms no guess of what its reader sees masked. Raises ProblemError.

    Who sees addresses clear searches in numbers, addresses and descriptions, all others in the cases that are all clear
    to them.
    """
    hidden = masks_for(actor.role, ended=True)
    if filters.q is None or not hidden:
        return filters
    if "location.address" not in hidden or _is_number(filters.q):
        return replace(filters, impersonal=True)
    states = () if masks_for(actor.role, ended=False) else _open(filters.state)
    if not states:
        detail = f"Callers' data are masked for the role {actor.role} in such cases: q takes a whole case number there."
        raise ProblemError(MASKED_SEARCH, detail, accepted=["a case number"])
    return replace(filters, state=states)


def _open(states: tuple[State, ...]) -> tuple[State, ...]:
    return tuple(state for state in states if state not in ENDED) if states else tuple(sorted(OPEN))


def _is_number(q: str) -> bool:
    try:
        parse_number(q)
    except NumberError:
        return False
    return True
