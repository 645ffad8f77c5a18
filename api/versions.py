"""Versions as entity tags (RFC 9110): `ETag` of an answer, `If-Match` and `If-None-Match` of a request."""

import re
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Header

from api.edge.problems import ProblemError, declare, kind_of
from domain.shared.errors import VERSION_CHANGED

INVALID_ETAG = declare("invalid-etag", HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid entity tag")
MATCH_ERRORS = (INVALID_ETAG, kind_of(VERSION_CHANGED))
"""Problems of every operation that takes `If-Match`."""
_TAG = '(W/)?"([!#-~]*)"'
_VERSION = re.compile("[1-9][0-9]{0,8}")
_TAGS = rf"(\*|{_TAG}([ ]*,[ ]*{_TAG})*)"

_header = partial(Header, examples=['"12"'], json_schema_extra={"pattern": f"^{_TAGS}$"})
_READ = "`ETag` of the version that you have read, or several; at any other, 412. `*` stands for any."
IfMatch = Annotated[str | None, _header(alias="If-Match", description=_READ)]
_HAD = "`ETag` of the version that you have: it is not sent again."
IfNoneMatch = Annotated[str | None, _header(alias="If-None-Match", description=_HAD)]


def etag(version: int) -> dict[str, str]:
    """Return the header of an answer that shows this version, whole or masked."""
    return {"ETag": f'"{version}"'}


def versions_in(if_match: str | None) -> tuple[int, ...] | None:
    """Return the versions that the request is for; None for any. Raises ProblemError 422.

    Tags that no version has, weak ones among them, stand for none.
    """
    if if_match is None:
        return None
    tags = _tags("If-Match", if_match)
    return None if tags == "*" else tuple(int(tag) for weak, tag in tags if not weak and _VERSION.fullmatch(tag))


def is_known(if_none_match: str | None, version: int) -> bool:
    """Return True if the client has this version. Raises ProblemError 422."""
    if if_none_match is None:
        return False
    tags = _tags("If-None-Match", if_none_match)
    return tags == "*" or any(tag == str(version) for _, tag in tags)


def _tags(header: str, given: str) -> Literal["*"] | list[tuple[str, str]]:
    """Return `*`, or the mark of a weak tag, which may be empty, and the text of each. Raises ProblemError 422."""
    if not re.fullmatch(_TAGS, given.strip()):
        detail = f"{header} must be the ETag of an answer, quotes included; several with commas between them; or *."
        raise ProblemError(INVALID_ETAG, detail, accepted=['"12"', "*", f"no {header}"])
    return "*" if given.strip() == "*" else re.findall(_TAG, given)
