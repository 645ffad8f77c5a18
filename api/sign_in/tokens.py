"""Access tokens of an OIDC issuer: its keys and addresses, the check of its tokens, and who acts by their claims."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from jwt import PyJWK, PyJWKSet
from pydantic import BaseModel, TypeAdapter, ValidationError

from activities.notifications.channels.base import check_resolved, checked_client
from api.edge.problems import ProblemError, declare, unavailable
from domain.shared.actors import RESERVED, Actor, Person, PersonId, Role, is_reserved
from domain.shared.codes import Coded
from domain.shared.value import Name
from readmodel.people.people import folded

log = logging.getLogger("hotline.api")

NO_ISSUER = declare("issuer-unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Issuer of tokens unavailable")
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Accepted algorithms. None has a secret that the service would share with those who sign."""
FRESH_SECONDS = 300.0
"""Age from which the keys are read again: a key that the issuer has withdrawn is accepted no longer than that."""
USABLE_SECONDS = 4 * 3600.0
"""Age up to which the keys are used while the issuer does not answer."""
PAUSE_SECONDS = 10.0
"""Least time between two readings, whatever keys the tokens name."""
READING_SECONDS = 5.0
"""Longest reading."""
LARGEST_BYTES = 262_144
"""Largest answer that is read."""
LONGEST_REASON = 300
"""Most characters of an error that the log tells: it may quote the answer."""


class Discovery(BaseModel):
    """Addresses of an issuer, as it describes itself: of its keys, of its sign-in, and for codes of a sign-in."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""


class Issuer:
    """Issuer of tokens, with its keys. One reading serves all who wait for it.

    Args:
        url: the issuer, as its tokens name it; `https`, or `http` on loopback.
        monotonic: returns seconds of a clock that nobody sets.
    """

    def __init__(self, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.url = url
        self.discovery_url = f"{url.removesuffix('/')}/.well-known/openid-configuration"
        self._monotonic = monotonic
        # Made once, as it reads files.
        self._tls = httpx.create_ssl_context()
        self._keys: Mapping[str, PyJWK] = {}
        self._described: Discovery | None = None
        self._read_at = self._tried_at = -math.inf
        self._failing = False
        self._reading: asyncio.Task[None] | None = None

    async def key(self, key_id: str) -> PyJWK | None:
        """None if the issuer has no such key. Raises ProblemError 503 without keys to look in."""
        await self._refresh(is_known=key_id in self._keys)
        return self._keys.get(key_id)

    async def endpoints(self) -> Discovery:
        """Raise ProblemError 503, also if the issuer names no addresses for a sign-in over TLS."""
        await self._refresh(is_known=bool(self._keys))
        found = self._described
        if found is None or not (self._is_safe(found.authorization_endpoint) and self._is_safe(found.token_endpoint)):
            raise _away()
        return found

    async def exchange(self, form: Mapping[str, str], auth: httpx.Auth | None) -> dict[str, Any]:
        """Answer of the issuer to a form with a code: tokens, or an `error`. Raises ProblemError 503."""
        url = (await self.endpoints()).token_endpoint
        try:
            async with asyncio.timeout(READING_SECONDS), checked_client(self._tls, auth) as http:
                accepted = HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED
                asked = http.build_request("POST", url, data=form, headers={"Accept": "application/json"})
                return await _json(http, asked, *accepted)
        except Exception as error:  # noqa: BLE001 - whatever the issuer answers
            log.warning("%s exchanges no code: %s", self.url, type(error).__name__)
            raise _away() from None

    async def _refresh(self, *, is_known: bool) -> None:
        """Read again what is old, or lacks what is looked for. Raises ProblemError 503."""
        # The keys are good for hours: nobody waits for an issuer that has just failed to answer.
        is_silent = self._failing and self._monotonic() - self._tried_at <= FRESH_SECONDS
        reading = None if is_known and self._age() <= FRESH_SECONDS else self._begin()
        if reading and not (is_known and is_silent and self._age() <= USABLE_SECONDS):
            # One client that hangs up must not end the reading of the others.
            await asyncio.shield(reading)
        if self._age() > USABLE_SECONDS:
            raise _away()

    def _is_safe(self, url: str) -> bool:
        """Return True for an address over TLS, or of the issuer itself."""
        wanted = urlsplit(url)
        return wanted.scheme == "https" or wanted[:2] == urlsplit(self.url)[:2]

    def _age(self) -> float:
        return self._monotonic() - self._read_at

    def _begin(self) -> asyncio.Task[None] | None:
        """Join the reading that is under way, or begin one; None so soon after the last."""
        if self._reading is None and self._monotonic() - self._tried_at >= PAUSE_SECONDS:
            self._tried_at = self._monotonic()
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        begun_at = self._monotonic()
        try:
            async with asyncio.timeout(READING_SECONDS):
                (self._keys, self._described), self._read_at = await self._fetch(), begun_at
            self._failing = False
        except Exception as error:  # noqa: BLE001 - whatever the issuer answers, the keys read before are kept
            self._failing = True
            reason = " ".join(str(error).split())[:LONGEST_REASON]
            log.warning("the keys of %s cannot be read: %s: %s", self.url, type(error).__name__, reason)
        finally:
            self._reading = None

    async def _fetch(self) -> tuple[Mapping[str, PyJWK], Discovery]:
        """Keys for signatures by id, and its description. Raises ValueError, OSError, httpx.HTTPError or PyJWTError."""
        async with checked_client(self._tls) as http:
            found = Discovery.model_validate(await _json(http, http.build_request("GET", self.discovery_url)))
            if found.issuer != self.url:
                raise ValueError(f"the issuer calls itself {found.issuer!r}")
            if not self._is_safe(found.jwks_uri):
                raise ValueError("jwks_uri is not encrypted; accepted: https")
            keys = PyJWKSet.from_dict(await _json(http, http.build_request("GET", found.jwks_uri))).keys
        usable = {
            key.key_id: key
            for key in keys
            if key.key_id and key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig")
        }
        if not usable:
            raise ValueError(f"no key has an id and is for signatures by {', '.join(ALGORITHMS)}")
        return usable, found


def _away() -> ProblemError:
    detail = "The issuer of access tokens does not answer, so that none can be checked. An API key works."
    return unavailable(NO_ISSUER, detail, round(PAUSE_SECONDS))


async def _json(http: httpx.AsyncClient, request: httpx.Request, *accepted: int) -> dict[str, Any]:
    """Object of an answer of status 200 or an accepted one. Raises ValueError, OSError, httpx.HTTPError."""
    await check_resolved(request.url.host)
    content, request.headers["accept-encoding"] = b"", "identity"
    response = await http.send(request, stream=True)
    if response.status_code not in (accepted or (HTTPStatus.OK,)):
        raise ValueError(f"{request.url} answers {response.status_code}")
    # As sent: what is unpacked could be far larger.
    async for part in response.aiter_raw():
        content += part
        if len(content) > LARGEST_BYTES:
            raise ValueError(f"{request.url} answers with more than {LARGEST_BYTES} bytes")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError(f"{request.url} answers with something else than an object")  # noqa: TRY004 - from another machine
    return found


INVALID_TOKEN = declare("invalid-token", HTTPStatus.UNAUTHORIZED, "Invalid access token")
NO_ROLE = declare("no-role", HTTPStatus.FORBIDDEN, "No role for this token")
CHALLENGE = 'Bearer realm="hotline"'
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
        """Raise ProblemError 403 if the claims name no person, role or, for a crew, department."""
        person, role = self._person(claims), self._role(claims)
        name = _valid(_NAME, _value(claims, self.name)) or person
        return Person(id=person, name=name, role=role, department=self._department(claims, role)).actor

    def _person(self, claims: Claims) -> str:
        given = _value(claims, self.person)
        person = _valid(_PERSON_ID, given)
        # Any other form of an id would be another person's, or look like it.
        if person is None or person != given or not person.isprintable() or is_reserved(folded(person)):
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
        """Code of the department, if any. Raises ProblemError 403 for a crew without one, which would act for all."""
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
    """Claim of this name, or else the one at this dotted path; None if there is neither."""
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
        """Raise ProblemError: 401 for a bad token, 403 for one without a role, 503 without keys."""
        return self.claims.actor(await self.read(token))

    async def read(self, token: str, audience: str | None = None) -> Claims:
        """`audience` None is the service. Raises ProblemError 401 or 503."""
        try:
            claims: Claims = jwt.decode(
                token,
                await self._key(token),
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
        """Words that repeat nothing of the token."""
        fault = next(text for kind, text in FAULTS if isinstance(error, kind))
        return fault.format(audience=self.audience, issuer=self.issuer.url, claim=getattr(error, "claim", ""))


def _refused(fault: str) -> ProblemError:
    detail = f"The access token {fault}."
    challenge = f'{CHALLENGE}, error="invalid_token", error_description="{detail}"'
    return ProblemError(INVALID_TOKEN, detail, headers={"WWW-Authenticate": challenge})
