"""Authentication by API key or access token, and the ids of requests."""

import hashlib
from http import HTTPStatus

from fastapi import Request
from fastapi.security import HTTPAuthorizationCredentials

from api.directory import ACTOR, People
from api.edge.limits import Limits, is_reading
from api.edge.problems import ProblemError, declare
from api.sign_in.tokens import CHALLENGE, INVALID_TOKEN, Tokens
from domain.shared.actors import Actor
from readmodel.people.people import TOKEN, TOKEN_SHAPE, ApiKey

UNAUTHORIZED = declare("unauthorized", HTTPStatus.UNAUTHORIZED, "Valid API key required")
MALFORMED_KEY = declare("malformed-key", HTTPStatus.UNAUTHORIZED, "Malformed API key")
WRONG_SCOPE = declare("wrong-scope", HTTPStatus.FORBIDDEN, "API key for reading alone")
INVALID_IDEMPOTENCY_KEY = declare("invalid-idempotency-key", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid idempotency key")
INVALID = f'{CHALLENGE}, error="invalid_token"'
LONGEST_KEY = 200
SCOPE = "hotline.scope"
"""Key of a request's ASGI scope, for the scope of its API key; a token has none."""
IDEMPOTENCY_KEY = "Idempotency-Key"


class BearerKey:
    """Reader of what a request is sent with: an API key, or a token of the issuer if there is one.

    `limits` counts wrong keys and tokens, and the requests of each person.
    """

    def __init__(self, people: People, limits: Limits, tokens: Tokens | None = None) -> None:
        self.tokens = tokens
        self._people = people
        self._limits = limits

    async def __call__(self, request: Request, sent: HTTPAuthorizationCredentials | None) -> Actor:
        """Raise ProblemError: 401, 403, 503 if nobody can tell who it is, or 429 after too many."""
        inner: Actor | None = request.scope.get(ACTOR)
        if inner:
            self._limits.count_request(request, inner.id, inner.role)
            return inner
        if sent is None:
            other = f", or an access token of {self.tokens.issuer.url}" if self.tokens else ""
            detail = f"Send an API key: Authorization: Bearer hk_...{other}"
            raise ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": CHALLENGE})
        if self.tokens and not sent.credentials.startswith("hk_"):
            with self._limits.counting_guesses(request, "wrong tokens"):
                actor = await self.tokens.verify(sent.credentials)
            if person := self._people.get(actor.id):
                if person.left_at is not None:
                    raise ProblemError(INVALID_TOKEN, f"{person.id} has left.", headers={"WWW-Authenticate": INVALID})
                # In the role of the token.
                actor = actor.model_copy(update={"id": person.id, "name": person.actor.name})
        else:
            actor, key = await self.holder_of_key(request, sent.credentials)
            if key.scope == "board" or (key.scope == "read" and not is_reading(request)):
                use = "reading" if key.scope == "read" else "the board, in a browser,"
                raise ProblemError(
                    WRONG_SCOPE,
                    f"This API key is for {use} alone.",
                    accepted=[("范围为 all 的密钥", "a key of the scope all")],
                )
            request.scope[SCOPE] = key.scope
        self._limits.count_request(request, actor.id, actor.role)
        request.scope[ACTOR] = actor
        return actor

    async def holder_of_key(self, request: Request, token: str) -> tuple[Actor, ApiKey]:
        """Person and key by the text of the key. Raises ProblemError 401, 503, or 429 after many."""
        headers = {"WWW-Authenticate": INVALID}
        if (form := TOKEN.fullmatch(token)) is None:
            self._limits.count_guess(request, "malformed keys")
            detail = f"An API key is {TOKEN_SHAPE}; this has {len(token)} characters of another shape."
            raise ProblemError(MALFORMED_KEY, detail, headers=headers)
        found = await self._people.verify(form[1], form[2], lambda: self._limits.check_guesses(request))
        if found is None:
            self._limits.count_guess(request, "wrong keys")
            raise ProblemError(UNAUTHORIZED, "The API key is unknown, expired or revoked.", headers=headers)
        return found


def request_key(actor: Actor, given: str) -> str:
    """Id of a request: an Idempotency-Key belongs to the person who sent it. Raises ProblemError 422."""
    if not 1 <= len(given) <= LONGEST_KEY or not given.isprintable():
        detail = f"{IDEMPOTENCY_KEY} must have 1 to {LONGEST_KEY} printable characters."
        raise ProblemError(
            INVALID_IDEMPOTENCY_KEY, detail, accepted=[("每次请求新生成的 UUID", "a UUID, made anew for each request")]
        )
    return digest_of(f"{actor.id}\0{given}")


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
