"""Checks of the start of a workflow: its arguments, and the clock of the process that started it.

A start that fails them ends the workflow in its first task: no case, no timer, nothing published.
"""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import wraps
from inspect import signature
from typing import Any, NamedTuple, NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain.case.intake import Registration
from domain.incident.opening import Opening
from domain.shared.value import Start

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Largest accepted difference: more than the API accepts (60 s), and than a start with its retries takes."""
MEMO = "request"
"""Key of the memo by which the service marks the workflows that it starts: cases, incidents and rollouts."""
INVALID_ARGUMENTS = "InvalidArguments"
"""Type of the failure of a workflow or update whose arguments cannot be read."""
T = TypeVar("T")


class Undecoded(NamedTuple):
    """Argument of a start that could not be decoded, with what is wrong."""

    message: str


def checked(run: Callable[[Any, Any], Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Return the method `run` of a workflow, which takes a start message, with the checks before it.

    They are not in `__init__`: the SDK leaves a coroutine behind if that raises, and Python warns of it in the log.
    """
    _, parameter = signature(run).parameters.values()

    @wraps(run)
    async def checked_run(self: object, *arguments: Any) -> T:  # noqa: ANN401 - whatever was sent
        given = arguments or (parameter.default,)
        accepted = is_start(given) and not is_misdated(
            getattr(given[0], "source", None), workflow.info().workflow_start_time
        )
        return await (run(self, *given) if accepted else _refuse(parameter.annotation, arguments))

    return checked_run


def is_start(arguments: Sequence[object]) -> bool:
    """Return True if there is one argument, and it is a start message."""
    return len(arguments) == 1 and isinstance(arguments[0], Start)


def is_misdated(source: object, started: datetime) -> bool:
    """Return True for a registration or an opening that is dated far from Temporal's time of its start."""
    return isinstance(source, Registration | Opening) and abs(source.at - started) > CLOCK_TOLERANCE


async def _refuse(kind: type[Start], arguments: Sequence[Any]) -> NoReturn:
    """Raise ApplicationError, which fails the workflow.

    Raises RuntimeError, which fails the task, if the service itself has started this run and its argument cannot be
    read: a worker of another release may know what this one does not, and tries again.
    """
    if is_start(arguments):
        started = workflow.info().workflow_start_time
        raise ApplicationError(
            f"Not started: the message is of {arguments[0].source.at.isoformat(timespec='seconds')}, but Temporal"
            f" started the workflow at {started.isoformat(timespec='seconds')}. At most"
            f" {CLOCK_TOLERANCE.total_seconds():.0f} s are accepted. Set the clock of the process that started it, and"
            " register again.",
            type="ClockOff",
            non_retryable=True,
        )
    accepted = f"{kind.__name__} ({', '.join(kind.model_fields)})"
    message = f"Not started: {len(arguments)} arguments, or no JSON. Accepted: exactly one JSON object, a {accepted}."
    if len(arguments) == 1 and isinstance(arguments[0], Undecoded):
        message = arguments[0].message
    if workflow.info().continued_run_id or MEMO in workflow.memo():
        raise RuntimeError(message)
    raise ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True)
