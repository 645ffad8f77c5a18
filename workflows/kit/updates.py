"""One Temporal update for every action of a table.

They are made here, once. The sandbox loads the module of a workflow anew for every run, but not this one.
"""

from typing import Any, TypeVar

from temporalio import workflow

from activities.names import ACTIONS, example
from domain.kit.event import AnyAction, Command

W = TypeVar("W")


def describe(action: AnyAction) -> str:
    """Return what the list of updates in the Temporal UI shows of an action: what it does, and what to send."""
    return f"{action.zh}: {action.description} 示例 Example: {example(action)}"


def _update(action: AnyAction) -> Any:  # noqa: ANN401 - the SDK has no public type of it
    sent: Any = Command.__class_getitem__(action.extended_body or action.body)

    # The SDK decodes by annotation, and takes a first parameter for `self` only if it has none.
    @workflow.update(name=action.name, description=describe(action))
    async def handle(self, command: sent) -> Any:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN401
        return self.act(action.name, command)

    @handle.validator
    def check(self, command: sent) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        self.check(command)

    return handle


UPDATES = {
    workflow: {name: _update(action) for name, action in actions.items()} for workflow, actions in ACTIONS.items()
}
"""Updates of each type of workflow: every action but the one that starts it."""


def with_updates(workflow_class: type[W]) -> type[W]:
    for name, update in UPDATES[workflow_class.__name__].items():
        setattr(workflow_class, f"update_{name}", update)
    return workflow_class
