"""Who asks: the bearer of an API key, and what a key may read at all."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.problems import ProblemError
from domain.shared.actors import Actor, Role

CHALLENGE = 'Bearer realm="hotline"'
INVALID = f'{CHALLENGE}, error="invalid_token"'
LONGEST_KEY = 200
IDEMPOTENCY_KEY = "Idempotency-Key"


class Key(Protocol):
    """API key: its id, and the person who acts with it."""

    @property
    def id(self) -> str:
        """Id of the key, unique for ever."""

    @property
    def name(self) -> str:
        """Name of the person, as events record it."""

    @property
    def role(self) -> Role:
        """Role in which the person acts."""

    @property
    def department(self) -> str | None:
        """Code of the department that the person acts for; None if there is none."""


class Keys(Protocol):
    """API keys of the service."""

    def owners(self) -> tuple[str, ...]:
        """Return the names of the people who may own a case."""

    def verify(self, token: str) -> Key | None:
        """Return the key of this token, or None if unknown or revoked. Raises ValueError if malformed."""


class BearerKey(HTTPBearer):
    """Security scheme of the interface: `Authorization: Bearer hk_...`.

    Args:
        keys: the keys of the service.
        shape: describes a token, for the documentation.
    """

    def __init__(self, keys: Keys, shape: str) -> None:
        description = f"An API key: {shape}."
        super().__init__(scheme_name="apiKey", bearerFormat=shape, description=description, auto_error=False)
        self._keys = keys

    def owners(self) -> tuple[str, ...]:
        """Return the names of the people who may own a case."""
        return self._keys.owners()

    async def __call__(self, request: Request) -> Key:  # type: ignore[override]  # the key, in place of its text
        """Return the key that the request carries. Raises ProblemError 401."""
        sent = await super().__call__(request)
        if sent is None:
            raise _unauthorized("unauthorized", "Send an API key: Authorization: Bearer hk_...", CHALLENGE)
        try:
            key = self._keys.verify(sent.credentials)
        except ValueError as error:
            raise _unauthorized("malformed-key", f"{error}.", INVALID) from None
        if key is None:
            raise _unauthorized("unauthorized", "The API key is unknown or has been revoked.", INVALID)
        return key


def staff_only(bearer: BearerKey) -> Callable[[Key], Awaitable[Key]]:
    """A dependency that lets every key in but a caller's: it may see the case whose number it knows, no others."""

    async def check(key: Annotated[Key, Depends(bearer)]) -> Key:
        if key.role is Role.CALLER:
            accepted = sorted(role.value for role in set(Role) - {Role.CALLER, Role.OWNER, Role.SYSTEM})
            detail = (
                "A caller's key reads one case, by its number; lists, timelines and records of callers are for staff."
            )
            raise ProblemError("wrong-role", detail, accepted=accepted)
        return key

    return check


def only_for(bearer: BearerKey, *roles: Role) -> Callable[[Key], Awaitable[Key]]:
    """A dependency that lets in the keys of these roles."""

    async def check(key: Annotated[Key, Depends(bearer)]) -> Key:
        if key.role not in roles:
            accepted = [role.value for role in roles]
            raise ProblemError("wrong-role", f"This is for the roles {', '.join(accepted)}.", accepted=accepted)
        return key

    return check


def actor_of(key: Key) -> Actor:
    """The acting person, as events record it."""
    return Actor(name=key.name, role=key.role, department=key.department)


def request_key(key: Key, given: str | None) -> str:
    """What a request is known by: an Idempotency-Key belongs to the API key that sent it. Raises ProblemError 422."""
    if given is None or not 1 <= len(given) <= LONGEST_KEY or not given.isprintable():
        detail = f"{IDEMPOTENCY_KEY} must have 1 to {LONGEST_KEY} printable characters."
        raise ProblemError("invalid-idempotency-key", detail, accepted=["a UUID, made anew for each request"])
    return hashlib.sha256(f"{key.id}\0{given}".encode()).hexdigest()[:32]


def _unauthorized(slug: str, detail: str, challenge: str) -> ProblemError:
    return ProblemError(slug, detail, headers={"WWW-Authenticate": challenge})
