"""Seals: what a browser keeps for the service, so that nobody else reads or makes it."""

import base64
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.requests import HTTPConnection
from starlette.responses import Response

from activities.notifications.caller_links import KEY_ID_BYTES
from activities.signatures import SigningKeys


class Seal:
    """Seal for one purpose (AES-256-SIV): what was sealed for another is no content of it.

    Args:
        keys: keys of links, from which those of the purpose are derived; the newest seals, all open.
        purpose: the purpose.
    """

    def __init__(self, keys: SigningKeys, purpose: str) -> None:
        self._keys = keys
        self._purpose = purpose

    def close(self, content: bytes) -> str:
        """Return the content sealed, as text for a cookie; the same for the same content."""
        key = self._keys.newest()
        return _written(key.id + self._cipher(key.secret).encrypt(content, None))

    def open(self, text: str) -> bytes | None:
        """Return the content of a text; None if this service has not sealed it for this purpose."""
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            # It is written in one way only: the decoder skips what it does not know.
            key = self._keys.find(sealed[:KEY_ID_BYTES]) if _written(sealed) == text else None
            return self._cipher(key.secret).decrypt(sealed[KEY_ID_BYTES:], None) if key else None
        except (ValueError, InvalidTag):
            return None

    def _cipher(self, secret: bytes) -> AESSIV:
        # It needs no nonce, so that none can come twice.
        return AESSIV(HKDF(SHA256(), 64, None, self._purpose.encode()).derive(secret))


class SealedCookie:
    """Cookie that holds a sealed text.

    Args:
        name: name of the cookie, without the prefix that it has over TLS.
        seal: seals the text.
        secure: browsers reach the API over TLS alone.
    """

    def __init__(self, name: str, seal: Seal, *, secure: bool) -> None:
        self._seal = seal
        # Browsers take this prefix from this very host alone, over TLS. Strict would leave the cookie out where a link
        # of a message or the issuer leads here.
        self._name = f"__Host-{name}" if secure else name
        self.secure = secure
        self._attributes: dict[str, Any] = {"secure": secure, "httponly": True, "samesite": "lax", "path": "/"}

    def read(self, request: HTTPConnection) -> bytes | None:
        """Return what the request's cookie holds; None if there is none, or one that the service has not sealed."""
        return self._seal.open(request.cookies.get(self._name, ""))

    def set(self, response: Response, content: bytes, seconds: int) -> None:
        """Give the browser the cookie, for some seconds."""
        response.set_cookie(self._name, self._seal.close(content), max_age=seconds, **self._attributes)

    def clear(self, response: Response) -> None:
        """Take the cookie from the browser."""
        response.delete_cookie(self._name, **self._attributes)


def _written(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")
