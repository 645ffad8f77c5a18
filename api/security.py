"""Who asks: the bearer of an API key, and what a key may read at all."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import ProblemError
from domain.shared.actors import Actor, Role
from hotline.keyring import TOKEN_SHAPE, Key, Keyring, MalformedTokenError

CHALLENGE = 'Bearer realm="hotline"'
INVALID = f'{CHALLENGE}, error="invalid_token"'
LONGEST_KEY = 200
IDEMPOTENCY_KEY = "Idempotency-Key"
_SCHEME = HTTPBearer(
    scheme_name="apiKey", bearerFormat=TOKEN_SHAPE, description=f"An API key: {TOKEN_SHAPE}.", auto_error=False
)


class BearerKey:
    """The scheme of the interface: `Authorization: Bearer hk_...`."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def owners(self) -> tuple[str, ...]:
        """The names of those who may own a case."""
        return self._keyring.owners()

    async def __call__(self, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)]) -> Key:
        """The key that the request carries. Raises ProblemError 401."""
        if sent is None:
            raise _unauthorized("unauthorized", "Send an API key: Authorization: Bearer hk_...", CHALLENGE)
        try:
            key = self._keyring.verify(sent.credentials)
        except MalformedTokenError as error:
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
