"""What the domain says when it will not do something."""

from typing import Literal

RefusalKind = Literal["conflict", "forbidden", "invalid"]


class Refused(Exception):  # noqa: N818  (a refusal is an answer, and no error)
    """A command that the case does not accept; the case is unchanged.

    `kind` says whose mistake it is: `forbidden` (the person), `conflict` (the moment), `invalid` (the words).
    `code` is a stable slug, `accepted` lists what would be accepted instead.
    """

    def __init__(self, kind: RefusalKind, code: str, message: str, accepted: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message
        self.accepted = accepted
