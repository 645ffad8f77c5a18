"""One Temporal update for every action of a table.

They are made here, once. The sandbox loads the module of a workflow anew for every run, but not this one.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow

from activities.command_faults import ACTIONS, example
from domain.kit.command import Command
from domain.kit.event import AnyAction
from workflows.entity import EntityWorkflow

W = TypeVar("W")


class Update(workflow.UpdateMethodMultiParam[..., Any]):
    """The handler of one update.

    The SDK looks at every member of a workflow class at the start of every run. It recognises this class at once; with
    functions it compares attributes one by one, which took half of that time.
    """

    def __init__(self, name: str, made: workflow.UpdateMethodMultiParam[..., Any]) -> None:
        self.name = name
        self._defn = made._defn  # noqa: SLF001 - the one attribute that the SDK's protocol asks for

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the handler's own
        """Call the handler as the function it is."""
        return self._defn.fn(*arguments, **named)

    def validator(self, vfunc: Callable[..., None]) -> Callable[..., None]:
        """Set the function that checks the arguments before the handler runs."""
        self._defn.set_validator(vfunc)
        return vfunc


_ALIKE = inspect.Signature()


def describe(action: AnyAction) -> str:
    """Return what the list of updates in the Temporal UI shows of an action: what it does, and what to send."""
    return f"{action.zh}: {action.description} 示例 Example: {example(action)}"


def _update(action: AnyAction) -> Update:
    name = action.name

    async def handle(self: EntityWorkflow, command: Command[Any]) -> Any:  # noqa: ANN401 - the workflow's outcome
        return self.act(name, command)

    def check(self: EntityWorkflow, command: Command[Any]) -> None:
        self.check(command)

    for function in (handle, check):
        function.__name__ = f"{name}_{function.__name__}"
        # The SDK decodes by annotation, and takes a first parameter for `self` only if it has none.
        function.__annotations__["command"] = Command.__class_getitem__(action.sent or action.body)
        del function.__annotations__["self"]
    made: Any = workflow.update(name=name, description=describe(action))(handle)
    update = Update(name, made)
    update.validator(check)
    for function in (handle, check):
        # The SDK compares the two at every start of a run, which took a fifth of it; they are alike, as written above.
        function.__signature__ = _ALIKE  # type: ignore[union-attr]
    return update


UPDATES = {workflow: [_update(action) for action in actions.values()] for workflow, actions in ACTIONS.items()}
"""Updates of each type of workflow: every action but the one that starts it."""


def with_updates(workflow_class: type[W]) -> type[W]:
    """Give a workflow class the updates of its type."""
    for update in UPDATES[workflow_class.__name__]:
        setattr(workflow_class, f"update_{update.name}", update)
    return workflow_class
