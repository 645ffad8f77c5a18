"""One Temporal update for every action of the lifecycle table, made from the table.

The handlers live in a module of their own because the sandbox runs the workflow's module anew for every run: made
here, once, they cost a run nothing.
"""

import inspect
from collections.abc import Callable
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


def _update(action: Action, body: type[Body]) -> Callable[..., Any]:
    async def handle(self: Host, command: Command[Any]) -> Outcome:
        return self.act(command)

    def check(self: Host, command: Command[Any]) -> None:
        self.check(command)

    for function in (handle, check):
        function.__name__ = f"{action.value}_{function.__name__}"
        # The SDK decodes by annotation, and takes a first parameter for `self` only where it has none.
        function.__annotations__["command"] = Command.__class_getitem__(body)
        del function.__annotations__["self"]
        # Worked out once: the SDK asks for it at every start of a run.
        function.__signature__ = inspect.signature(function)  # type: ignore[union-attr]
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
