"""Access tokens of an OIDC issuer: their check, and who acts by their claims."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import jwt
from pydantic import TypeAdapter, ValidationError

from api.edge.problems import ProblemError, declare
from api.sign_in.issuer import ALGORITHMS, NO_ISSUER, Issuer
from domain.shared.actors import RESERVED, Actor, Person, PersonId, Role
from domain.shared.text import Name
from domain.shared.value import Coded
from readmodel.people.people import folded

INVALID_TOKEN = declare("invalid-token", HTTPStatus.UNAUTHORIZED, "Invalid access token")
NO_ROLE = declare("no-role", HTTPStatus.FORBIDDEN, "No role for this token")
CHALLENGE = 'Bearer realm="hotline"'
TOKEN_ERRORS = (INVALID_TOKEN, NO_ROLE, NO_ISSUER)
LEEWAY_SECONDS = 30
"""Accepted difference between the issuer's clock and this machine's."""
LONGEST_TOKEN = 16_384
REQUIRED = ("exp", "iat", "sub", "aud", "iss")
TYPES = (None, "jwt", "at+jwt", "application/at+jwt")
"""Accepted values of `typ`, in lower case. The issuer signs other things too, such as notices of a logout."""
FAULTS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "has expired"),
    (jwt.ImmatureSignatureError, "is not valid yet"),
    (jwt.InvalidAudienceError, "is for another audience (aud); accepted: {audience}"),
    (jwt.InvalidIssuerError, "is of another issuer (iss); accepted: {issuer}"),
    (jwt.MissingRequiredClaimError, f"lacks the claim {{claim}}; required: {', '.join(REQUIRED)}"),
    (jwt.InvalidAlgorithmError, f"is not signed by its key's algorithm (alg); accepted: {', '.join(ALGORITHMS)}"),
    (jwt.InvalidSignatureError, "has a signature that is not its issuer's"),
    (jwt.InvalidKeyError, "is signed with a key that is too short"),
    (jwt.PyJWTError, "is no signed JWT: three parts in base64url with dots between them"),
)
"""Faults of a token, by error; the first that fits counts."""
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
    with suppress(ValidationError):
        return kind.validate_python(given)
    return None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Check of the issuer's tokens, which must name the `audience` in `aud`; their claims tell who acts."""

    issuer: Issuer
    audience: str
    claims: ClaimMap

    async def verify(self, token: str) -> Actor:
        """Return who acts. Raises ProblemError: 401 for a bad token, 403 for one without a role, 503 without keys."""
        return self.claims.actor(await self.read(token))

    async def read(self, token: str, audience: str | None = None) -> Claims:
        """Return the claims of a token for this audience, None: the service. Raises ProblemError 401 or 503."""
        try:
            key = await self._key(token)
            claims: Claims = jwt.decode(
                token,
                key,
                ALGORITHMS,
                options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
                audience=audience or self.audience,
                issuer=self.issuer.url,
                leeway=LEEWAY_SECONDS,
            )
        except jwt.PyJWTError as error:
            raise _refused(self._fault(error)) from None
        return claims

    async def _key(self, token: str) -> jwt.PyJWK:
        if len(token) > LONGEST_TOKEN:
            raise _refused(f"is longer than {LONGEST_TOKEN} characters")
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        kind, key_id = header.get("typ"), header.get("kid")
        if (kind.lower() if isinstance(kind, str) else kind) not in TYPES:
            raise _refused("is of another type (typ); accepted: JWT, at+jwt, or none")
        if not key_id:
            raise _refused("names no key (kid)")
        key = await self.issuer.key(key_id)
        if key is None:
            raise _refused("names a key (kid) that its issuer does not have")
        return key

    def _fault(self, error: jwt.PyJWTError) -> str:
        """Return what is wrong, in words that repeat nothing of the token."""
        fault = next(text for kind, text in FAULTS if isinstance(error, kind))
        claim = getattr(error, "claim", "")
        return fault.format(audience=self.audience, issuer=self.issuer.url, claim=claim)


def _refused(fault: str) -> ProblemError:
    detail = f"The access token {fault}."
    challenge = f'{CHALLENGE}, error="invalid_token", error_description="{detail}"'
    return ProblemError(INVALID_TOKEN, detail, headers={"WWW-Authenticate": challenge})
