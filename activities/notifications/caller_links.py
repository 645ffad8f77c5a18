"""Callers' links: signed tokens that hold case number, cycle and expiry.

No link is stored. A link is used up by the caller's answer, because the case then waits for none in that cycle.
"""

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer

VALID = timedelta(days=14)
"""Time for which a link is valid."""
SECRET_BYTES = 32


class LinkError(Exception):
    """Error for a token that is expired (`expired`) or was not signed by this service."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "unknown")
        self.expired = expired


class Link(NamedTuple):
    """Content of a link."""

    number: str
    cycle: int
    expires_at: datetime
    made_by: str | None = None
    """Name on the key of the person who made it; None if the courier made it for a notification."""


class Links:
    """Signer and reader of links. The secret is in a file, created when it is first needed."""

    def __init__(self, secret_file: Path) -> None:
        self._file = secret_file

    def make(self, number: str, cycle: int, at: datetime, made_by: str | None = None) -> tuple[str, datetime]:
        """Return the token of a link for this cycle of the case, and the instant at which it expires."""
        expires_at = (at + VALID).replace(microsecond=0)
        maker = () if made_by is None else (made_by,)
        return str(self._signer.dumps([number, cycle, int(expires_at.timestamp()), *maker])), expires_at

    def read(self, text: str, at: datetime) -> Link:
        """Return the content of a token. Raises LinkError if it is forged or expired."""
        try:
            number, cycle, expires, *maker = self._signer.loads(text)
        except BadSignature:
            raise LinkError(expired=False) from None
        link = Link(number, cycle, datetime.fromtimestamp(expires, UTC), *maker)
        if at >= link.expires_at:
            raise LinkError(expired=True)
        return link

    @cached_property
    def _signer(self) -> URLSafeSerializer:
        return URLSafeSerializer(_secret(self._file), salt="caller's link")


def _secret(file: Path) -> str:
    """Return the secret in the file, created by the first process that needs it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Only its owner may read a temporary file.
    with NamedTemporaryFile("w", dir=file.parent) as made, suppress(FileExistsError):
        made.write(secrets.token_hex(SECRET_BYTES))
        made.flush()
        # After a power cut the file must not be an empty secret.
        os.fsync(made.fileno())
        # Unlike a rename, a hard link does not replace a file that another process created meanwhile.
        os.link(made.name, file)
    return file.read_text()
