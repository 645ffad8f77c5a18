"""One Temporal update for every action of the lifecycle table, made from the table.

The handlers live in a module of their own because the sandbox runs the workflow's module anew for every run: made
here, once, they cost a run nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from temporalio import workflow

from domain.commands import BODIES, Body, Command
from domain.lifecycle import TABLE, Action
from domain.views import Outcome


class Host(Protocol):
    """A workflow that carries a case."""

    def check(self, command: Command[Any]) -> None:
        """Raise where the command would be refused."""

    def act(self, command: Command[Any]) -> Outcome:
        """Do it."""


H = TypeVar("H")


def _update(action: Action, body: type[Body]) -> Callable[[Any, Any], Awaitable[Outcome]]:
    async def handle(self: Any, command: Any) -> Outcome:
        return host(self).act(command)

    def check(self: Any, command: Any) -> None:
        host(self).check(command)

    def host(instance: Any) -> Host:
        return instance  # type: ignore[no-any-return]  # the class decorator below binds the handlers to a Host

    command_type = Command.__class_getitem__(body)
    for function in (handle, check):
        function.__name__ = f"{action.value}_{function.__name__}"
        function.__annotations__["command"] = command_type
    row = TABLE[action]
    update = workflow.update(name=action.value, description=f"{row.zh}: {row.description}")(handle)
    update.validator(check)
    return update


UPDATES = {action: _update(action, body) for action, body in BODIES.items()}
"""The update of every action but `register`, which is the start of the workflow."""


def with_updates(host: type[H]) -> type[H]:
    """Give a workflow class that carries a case all its updates."""
    for action, update in UPDATES.items():
        setattr(host, f"update_{action.value}", update)
    return host
