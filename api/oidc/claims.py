"""Claims of an access token, mapped to a person of the company, a role and a department."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter, ValidationError

from api.problems import ProblemError, declare
from domain.shared.actors import RESERVED, Actor, Person, PersonId, Role
from domain.shared.text import Name
from domain.shared.value import Coded
from readmodel.people.people import folded

NO_ROLE = declare("no-role", HTTPStatus.FORBIDDEN, "No role for this token")
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_PERSON_ID: TypeAdapter[str] = TypeAdapter(PersonId)

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """Mapping of claims to a person, a role and a department.

    Attributes:
        person: claim of the person's id.
        name: claim of the name that is shown.
        role: claim of one value or a list of values.
        department: claim of the department, by code or full name.
        roles: the role of each value of the claim `role`; of several, the first named here counts.
        departments: returns the departments of the catalogue in force.
    """

    person: str
    name: str
    role: str
    department: str
    roles: Mapping[str, Role]
    departments: Callable[[], Sequence[Coded]]

    def actor(self, claims: Claims) -> Actor:
        """Return who acts. Raises ProblemError 403 if the claims name no person, role or, for a crew, department."""
        person, role = self._person(claims), self._role(claims)
        name = _valid(_NAME, _value(claims, self.name)) or person
        return Person(id=person, name=name, role=role, department=self._department(claims, role)).actor

    def _person(self, claims: Claims) -> str:
        given = _value(claims, self.person)
        person = _valid(_PERSON_ID, given)
        # Any other form of an id would be another person's, or look like it.
        if person is None or person != given or not person.isprintable() or folded(person) in RESERVED:
            detail = (
                f"The claim {self.person} of the token names no person; accepted: 1 to 80 visible characters,"
                f" without spaces around them and none of {', '.join(sorted(RESERVED))}."
            )
            raise ProblemError(NO_ROLE, detail)
        return person

    def _role(self, claims: Claims) -> Role:
        given = _values(claims, self.role)
        for value, role in self.roles.items():
            if value in given:
                return role
        detail = f"The claim {self.role} of the token names no role; accepted: {', '.join(self.roles)}."
        raise ProblemError(NO_ROLE, detail, accepted=list(self.roles))

    def _department(self, claims: Claims, role: Role) -> str | None:
        """Return the code of the department, None if there is none. A crew without one would act for all."""
        given = set(_values(claims, self.department))
        found = [entry.code for entry in self.departments() if given & {entry.code, entry.name, entry.name_zh}]
        if len(found) == 1:
            return found[0]
        if role is not Role.CREW:
            return None
        known = [entry.code for entry in self.departments()]
        detail = (
            f"The claim {self.department} of the token names {'several departments' if found else 'no department'};"
            f" a crew's accepted: one of {', '.join(known)}, by code or full name."
        )
        raise ProblemError(NO_ROLE, detail, accepted=known)


def _value(claims: Any, path: str) -> Any:  # noqa: ANN401 - whatever the issuer says
    """Return the claim of this name, or else the one at this dotted path; None if there is neither."""
    if not isinstance(claims, Mapping) or path in claims:
        return claims[path] if isinstance(claims, Mapping) else None
    name, _, rest = path.partition(".")
    return _value(claims.get(name), rest) if rest else None


def _values(claims: Claims, path: str) -> list[str]:
    found = _value(claims, path)
    return [value for value in (found if isinstance(found, list) else [found]) if isinstance(value, str)]


def _valid(kind: TypeAdapter[str], given: object) -> str | None:
    try:
        return kind.validate_python(given)
    except ValidationError:
        return None
