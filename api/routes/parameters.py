"""Parameters that several operations share."""

from typing import Annotated

from fastapi import Header, Path, Query

from api.numbers import ACCEPTED, NumberError, parse_number
from api.problems import ProblemError
from api.security import IDEMPOTENCY_KEY, LONGEST_KEY

LONGEST_PAGE = 200
USUAL_PAGE = 50

NumberText = Annotated[
    str,
    Path(alias="number", description=f"The case number (工单号): {ACCEPTED}.", examples=["2608034711003"]),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_KEY,
        description=(
            f"Any text of 1 to {LONGEST_KEY} characters, new for each thing that is meant. Sent again with the same"
            " body, the request is not carried out again: the answer tells what became of it."
        ),
        examples=["3f8c2b6e-6c53-4b52-9a57-0a3f6f3c1d11"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="Most items on the page.")]
Cursor = Annotated[
    str | None, Query(description="`next_cursor` of the page before; leave it out for the first page.", max_length=100)
]


def number_in(text: str) -> str:
    """The number that a path names. Raises ProblemError."""
    try:
        return parse_number(text)
    except NumberError as error:
        raise ProblemError("invalid-number", str(error), accepted=[ACCEPTED]) from None


def not_found(number: str) -> ProblemError:
    """The problem of a number that no case has."""
    return ProblemError("complaint-not-found", f"There is no complaint with the number {number}.")
