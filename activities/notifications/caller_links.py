"""The caller's one-time link: a signed text that says which case and which cycle it is for, and how long it holds.

Nothing is kept for it: whoever can sign has the secret of this service. It is used up by the answer it is made for, as
the case then no longer waits for one in that cycle.
"""

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer

VALID = timedelta(days=14)
"""How long a link holds."""
OWNER_ONLY = 0o600
SECRET_BYTES = 32


class LinkError(Exception):
    """The link opens nothing; `expired` where it once did."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "unknown")
        self.expired = expired


class Link(NamedTuple):
    """What a link is for."""

    number: str
    cycle: int
    expires_at: datetime
    made_by: str | None = None
    """The name on the key of who made it; None where it was made for a message to the caller."""


class Links:
    """Makes links and reads them. The secret is in a file of its own, made when it is first needed."""

    def __init__(self, secret_file: Path) -> None:
        self._file = secret_file
        self._serializer: URLSafeSerializer | None = None

    def make(self, number: str, cycle: int, at: datetime, made_by: str | None = None) -> tuple[str, datetime]:
        """The text of a link for this cycle of the case, and the instant until which it holds."""
        expires_at = (at + VALID).replace(microsecond=0)
        maker = () if made_by is None else (made_by,)
        return str(self._signer().dumps([number, cycle, int(expires_at.timestamp()), *maker])), expires_at

    def read(self, text: str, at: datetime) -> Link:
        """What the link is for. Raises LinkError: nobody here made it, or its time is over."""
        try:
            number, cycle, expires, *maker = self._signer().loads(text)
        except BadSignature:
            raise LinkError(expired=False) from None
        link = Link(number, cycle, datetime.fromtimestamp(expires, UTC), *maker)
        if at >= link.expires_at:
            raise LinkError(expired=True)
        return link

    def _signer(self) -> URLSafeSerializer:
        if self._serializer is None:
            self._serializer = URLSafeSerializer(_secret(self._file), salt="caller's link")
        return self._serializer


def _secret(file: Path) -> str:
    """The one secret, whoever comes first to make it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as made:
        made.write(secrets.token_hex(SECRET_BYTES))
    try:
        # A link, unlike a rename, does not take the place of what another process has made meanwhile.
        os.link(aside, file)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return file.read_text()
