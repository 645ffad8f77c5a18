"""Access tokens of an OIDC issuer, as another way in than an API key."""

from http import HTTPStatus

import jwt

from api.oidc.claims import NO_ROLE, ClaimMap, Claims
from api.oidc.issuer import ALGORITHMS, NO_ISSUER, Issuer
from api.problems import ProblemError, declare
from domain.shared.actors import Actor

INVALID_TOKEN = declare("invalid-token", HTTPStatus.UNAUTHORIZED, "Invalid access token")
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


class Tokens:
    """Check of access tokens.

    Args:
        issuer: the issuer whose tokens are accepted.
        audience: the service, as the tokens must name it in `aud`.
        claims: tells who acts.
    """

    def __init__(self, issuer: Issuer, audience: str, claims: ClaimMap) -> None:
        self.issuer = issuer
        self._audience = audience
        self.claims = claims

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
                audience=audience or self._audience,
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
        return fault.format(audience=self._audience, issuer=self.issuer.url, claim=claim)


def _refused(fault: str) -> ProblemError:
    detail = f"The access token {fault}."
    challenge = f'{CHALLENGE}, error="invalid_token", error_description="{detail}"'
    return ProblemError(INVALID_TOKEN, detail, headers={"WWW-Authenticate": challenge})
