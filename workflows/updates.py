"""One Temporal update for every action of the lifecycle table, made from the table.

The handlers live in a module of their own because the sandbox runs the workflow's module anew for every run: made
here, once, they cost a run nothing.
"""

import inspect
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


class Update(workflow.UpdateMethodMultiParam[..., Outcome]):
    """A handler that is known for one by its class.

    The SDK looks at every member of a workflow class at the start of every run; told by class, it need not compare
    attributes one by one, which took half of that time.
    """

    def __init__(self, made: workflow.UpdateMethodMultiParam[..., Outcome]) -> None:
        self._defn = made._defn  # noqa: SLF001 - the one attribute that the SDK's protocol asks for

    def __call__(self, *arguments: Any, **named: Any) -> Outcome | Awaitable[Outcome]:  # noqa: ANN401 - the handler's own
        """Call the handler as the function it is."""
        outcome: Outcome | Awaitable[Outcome] = self._defn.fn(*arguments, **named)
        return outcome

    def validator(self, vfunc: Callable[..., None]) -> Callable[..., None]:
        """Set what checks the arguments before the handler runs."""
        self._defn.set_validator(vfunc)
        return vfunc


_ALIKE = inspect.Signature()


def _update(action: Action, body: type[Body]) -> Update:
    async def handle(self: Host, command: Command[Any]) -> Outcome:
        return self.act(command)

    def check(self: Host, command: Command[Any]) -> None:
        self.check(command)

    for function in (handle, check):
        function.__name__ = f"{action.value}_{function.__name__}"
        # The SDK decodes by annotation, and takes a first parameter for `self` only where it has none.
        function.__annotations__["command"] = Command.__class_getitem__(body)
        del function.__annotations__["self"]
    row = TABLE[action]
    made: Any = workflow.update(name=action.value, description=f"{row.zh}: {row.description}")(handle)
    update = Update(made)
    update.validator(check)
    for function in (handle, check):
        # The SDK compares the two at every start of a run, which took a fifth of it; they are alike, as written above.
        function.__signature__ = _ALIKE  # type: ignore[union-attr]
    return update


UPDATES = {action: _update(action, body) for action, body in BODIES.items()}
"""The update of every action but `register`, which is the start of the workflow."""


def with_updates(host: type[H]) -> type[H]:
    """Give a workflow class that carries a case all its updates."""
    for action, update in UPDATES.items():
        setattr(host, f"update_{action.value}", update)
    return host
