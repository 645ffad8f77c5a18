"""Checks of the start of a workflow: its arguments, and the clock of the process that started it."""

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
        started = workflow.info().workflow_start_time
        failure = unreadable(given) or clock_failure(given[0], started)
        return await (_refuse(failure) if failure else run(self, *given))

    return checked_run


def is_start(arguments: Sequence[object]) -> bool:
    """Return True if there is one argument, and it is a start message."""
    return len(arguments) == 1 and isinstance(arguments[0], Start)


def unreadable(arguments: Sequence[object]) -> RuntimeError | None:
    """Return the error of a start message that this worker cannot read; None if it can.

    It fails the task alone: the service has started the workflow, so a worker of its release knows the message.
    """
    return None if is_start(arguments) else RuntimeError(_explanation(arguments))


def _explanation(arguments: Sequence[object]) -> str:
    if len(arguments) == 1 and isinstance(arguments[0], Undecoded):
        return arguments[0].message
    return "Not started. Accepted: exactly one argument, a start message."


def clock_failure(start: Start, started: datetime) -> ApplicationError | None:
    """Return the failure of the first run of an entity whose registration or opening is of another time than that."""
    source: Any = getattr(start, "source", None)
    is_off = isinstance(source, Registration | Opening) and abs(source.at - started) > CLOCK_TOLERANCE
    return _clock_off(source.at, started) if is_off else None


def _clock_off(at: datetime, started: datetime) -> ApplicationError:
    message = (
        f"Not started: the message is of {at.isoformat(timespec='seconds')}, but Temporal started the workflow at"
        f" {started.isoformat(timespec='seconds')}. At most {CLOCK_TOLERANCE.total_seconds():.0f} s are accepted."
        " Set the clock of the process that started it, and register again."
    )
    return ApplicationError(message, type="ClockOff", non_retryable=True)


async def _refuse(failure: Exception) -> NoReturn:
    raise failure
