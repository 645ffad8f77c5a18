"""Commands that nobody has signed, as the Temporal UI and CLI send them: checked, and held to the directory.

The codes of the catalogue in force are checked before an update is accepted, and never at replay. People are looked up
once, by a local activity whose answer is in the history.
"""

from datetime import timedelta
from typing import Any

from temporalio import worker, workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.acting import FIND_ACTOR, NOBODY, Acting, Found
from activities.command_faults import action_meant, check_argument, unreadable
from activities.signatures import HEADER, UNSIGNED, encoded
from domain.shared.codes import FindCode
from domain.shared.command import Command

LOOKUP = timedelta(seconds=5)
"""Longest wait for the directory of people, before an action from the Temporal UI fails."""
_FIND_CODE = "unsigned_find_code"


class UnsignedCommands(worker.Interceptor):
    """Interceptor of a worker that checks the arguments of actions and looks up who acts, if nobody has signed.

    It comes after the signatures, which refuse such commands unless they are allowed.

    Args:
        find_code: returns a code of the catalogue in force as it is. Raises UnknownCode.
    """

    def __init__(self, find_code: FindCode) -> None:
        self._find_code = find_code

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[worker.WorkflowInboundInterceptor]:
        """Return the interceptor of each run."""
        input.unsafe_extern_functions[_FIND_CODE] = self._find_code
        return _Checks


class _Checks(worker.WorkflowInboundInterceptor):
    def handle_update_validator(self, input: worker.HandleUpdateInput) -> None:  # noqa: A002 - as above
        action, is_signed = action_meant(input.update), HEADER in input.headers
        is_command = len(input.args) == 1 and isinstance(input.args[0], Command)
        if action and not (is_signed and is_command):
            check_argument(action, encoded(input.args), None if is_signed else workflow.extern_functions()[_FIND_CODE])
            if not is_command:
                raise unreadable(action)
        if is_signed or not action:  # else who acts is looked up first
            super().handle_update_validator(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:  # noqa: A002, ANN401 - as above
        # The history tells it, so that a replay needs no key.
        if HEADER not in input.headers and action_meant(input.update):
            input.args = [await _by_person(input.args[0])]
            super().handle_update_validator(input)
        return await super().handle_update_handler(input)


async def _by_person(command: Command[Any]) -> Command[Any]:
    """Return the command by the person whom it names, unverified. Raises ApplicationError if somebody is not known."""
    body = command.body
    takes_department = "department" in type(body).model_fields
    acting = Acting.taken_from(body, person=command.actor.id, takes_department=takes_department)
    try:
        found = await workflow.execute_local_activity(
            FIND_ACTOR, acting, result_type=Found, schedule_to_close_timeout=LOOKUP
        )
    except ActivityError as error:
        cause = error.cause if isinstance(error.cause, ApplicationError) else None
        no_answer = "暂时查不到人员名录，请稍后再试。The directory does not answer; try again."
        message = cause.message if cause and cause.type == NOBODY else no_answer
        raise ApplicationError(message, type=UNSIGNED, non_retryable=True) from None
    # What else a sender of the service tells, its key and what it has written to SQL, is not believed.
    return type(command)(
        actor=found.actor.model_copy(update={"unverified": True}),
        body=body.model_copy(update=found.changes),
        people=found.people,
    )
