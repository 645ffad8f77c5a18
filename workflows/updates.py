"""One Temporal update for every action of a lifecycle table, made from the table.

The handlers live in a module of their own because the sandbox runs the workflow's module anew for every run: made
here, once, they cost a run nothing.
"""

import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from temporalio import workflow

from domain.case.actions import COMMANDS
from domain.case.command import Command
from domain.case.kind import Action
from domain.incident.lifecycle import INCIDENT_BODIES, INCIDENT_TABLE, IncidentRow


class Host(Protocol):
    """A workflow that carries a case, or an incident."""

    def check(self, command: Command[Any]) -> None:
        """Raise where the command would be refused."""

    def act(self, command: Command[Any]) -> Any:  # noqa: ANN401 - its own answer
        """Do it."""


H = TypeVar("H")


class Update(workflow.UpdateMethodMultiParam[..., Any]):
    """A handler that is known for one by its class.

    The SDK looks at every member of a workflow class at the start of every run; told by class, it need not compare
    attributes one by one, which took half of that time.
    """

    def __init__(self, made: workflow.UpdateMethodMultiParam[..., Any]) -> None:
        self._defn = made._defn  # noqa: SLF001 - the one attribute that the SDK's protocol asks for

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the handler's own
        """Call the handler as the function it is."""
        return self._defn.fn(*arguments, **named)

    def validator(self, vfunc: Callable[..., None]) -> Callable[..., None]:
        """Set what checks the arguments before the handler runs."""
        self._defn.set_validator(vfunc)
        return vfunc


_ALIKE = inspect.Signature()


def _update(name: str, description: str, body: type[BaseModel]) -> Update:
    async def handle(self: Host, command: Command[Any]) -> Any:  # noqa: ANN401 - the host's own answer
        return self.act(command)

    def check(self: Host, command: Command[Any]) -> None:
        self.check(command)

    for function in (handle, check):
        function.__name__ = f"{name}_{function.__name__}"
        # The SDK decodes by annotation, and takes a first parameter for `self` only where it has none.
        function.__annotations__["command"] = Command.__class_getitem__(body)
        del function.__annotations__["self"]
    made: Any = workflow.update(name=name, description=description)(handle)
    update = Update(made)
    update.validator(check)
    for function in (handle, check):
        # The SDK compares the two at every start of a run, which took a fifth of it; they are alike, as written above.
        function.__signature__ = _ALIKE  # type: ignore[union-attr]
    return update


def _of(name: str, row: Action | IncidentRow, body: type[BaseModel]) -> Update:
    return _update(name, f"{row.zh}: {row.description}", body)


UPDATES = {name: _of(name, action, action.body) for name, action in COMMANDS.items()}
"""The update of every action but `register`, which is the start of the workflow."""


def with_updates(host: type[H]) -> type[H]:
    """Give a workflow class that carries a case all its updates."""
    for name, update in UPDATES.items():
        setattr(host, f"update_{name}", update)
    return host


UPDATE_OF: dict[type[BaseModel], str] = {action.body: name for name, action in COMMANDS.items()} | {
    body: action.value for action, body in INCIDENT_BODIES.items()
}
"""Name of the update of each body."""
INCIDENT_UPDATES = {action: _of(action.value, INCIDENT_TABLE[action], body) for action, body in INCIDENT_BODIES.items()}
"""The update of every action on an incident but `declare`, which is the start of the workflow."""


def with_incident_updates(host: type[H]) -> type[H]:
    """Give a workflow class that carries an incident all its updates."""
    for action, update in INCIDENT_UPDATES.items():
        setattr(host, f"update_{action.value}", update)
    return host
