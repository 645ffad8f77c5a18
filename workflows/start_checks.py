"""Checks of the start of a workflow: its arguments, its id, and the clock of the process that started it.

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
from domain.shared.numbers import has_check_digit
from domain.shared.value import Start
from workflows.presentation.complaint import workflow_id
from workflows.presentation.incident import incident_id

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Largest accepted difference: more than the API accepts (60 s), and than a start with its retries takes."""
MEMO = "request"
"""Key of the memo by which the service marks the workflows that it starts: cases, incidents and rollouts."""
INVALID_ARGUMENTS = "InvalidArguments"
"""Type of the failure of a workflow or update whose arguments cannot be read."""
FIRST = {"source", "names", "sender_version"}
"""Fields of the start message of a first run; whatever else there is, runs carry over."""
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
        given, info = arguments or (parameter.default,), workflow.info()
        is_first = not info.continued_run_id
        failure = (
            (refusal(given[0], info.workflow_id, info.workflow_start_time) if is_first else None)
            if is_start(given)
            else _unreadable(parameter.annotation, arguments)
        )
        return await (_fail(failure) if failure else run(self, *given))

    return checked_run


def is_start(arguments: Sequence[object]) -> bool:
    """Return True if there is one argument, and it is a start message."""
    return len(arguments) == 1 and isinstance(arguments[0], Start)


def is_forged(start: Start) -> bool:
    """Return True for a first run's start message that says what only an earlier run carries over."""
    return not (isinstance(getattr(start, "source", None), Registration | Opening) and start.model_fields_set <= FIRST)


def refusal(start: Start, given_id: str, started: datetime) -> ApplicationError | None:
    """Return the failure of the first run under this id; None if its start message is accepted, or of no entity."""
    source = getattr(start, "source", None)
    return None if source is None else _forged() if is_forged(start) else _refusal_of(source, given_id, started)


def _refusal_of(source: Registration | Opening, given_id: str, started: datetime) -> ApplicationError | None:
    own_id = (workflow_id if isinstance(source, Registration) else incident_id)(source.number)
    is_named = given_id == own_id and has_check_digit(source.number)
    is_misdated = abs(source.at - started) > CLOCK_TOLERANCE
    return _misdated(source.at, started) if is_misdated else None if is_named else _misnamed(given_id, own_id)


def _misdated(at: datetime, started: datetime) -> ApplicationError:
    message = (
        f"Not started: the message is of {at.isoformat(timespec='seconds')}, but Temporal started the workflow at"
        f" {started.isoformat(timespec='seconds')}. At most {CLOCK_TOLERANCE.total_seconds():.0f} s are accepted."
        " Set the clock of the process that started it, and register again."
    )
    return ApplicationError(message, type="ClockOff", non_retryable=True)


def _forged() -> ApplicationError:
    message = "Not started: the message holds what only an earlier run carries over. Accepted: a source without state."
    return ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True)


def _misnamed(given_id: str, own_id: str) -> ApplicationError:
    message = (
        f"Not started: the workflow id is {given_id}. Accepted for what the message says: {own_id}, if its number ends"
        " with the right check digit."
    )
    return ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True)


def _unreadable(kind: type[Start], arguments: Sequence[Any]) -> ApplicationError:
    """Return the failure of a workflow whose arguments are no start message.

    Raises RuntimeError, which fails the task, if the service itself has started this run: a worker of another release
    may know what this one does not, and tries again.
    """
    accepted = f"{kind.__name__} ({', '.join(kind.model_fields)})"
    message = f"Not started: {len(arguments)} arguments, or no JSON. Accepted: exactly one JSON object, a {accepted}."
    if len(arguments) == 1 and isinstance(arguments[0], Undecoded):
        message = arguments[0].message
    if workflow.info().continued_run_id or MEMO in workflow.memo():
        raise RuntimeError(message)
    return ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True)


async def _fail(failure: ApplicationError) -> NoReturn:
    raise failure
