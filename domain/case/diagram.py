"""Diagram of the lifecycle: the table of actions, drawn."""

from domain.case.actions import ACTIONS
from domain.case.lifecycle import ENDED, State


def mermaid() -> str:
    """Return the table as a Mermaid state diagram, labels in Chinese and English; ends with a newline.

    Actions that change no state are listed in a note, instead of one loop at each of many states.
    """
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.value}: {state.zh} {state.value}" for state in State]
    lines += [
        f"    {source} --> {target.value}: {action.zh} {action.name}"
        for action in ACTIONS
        for source in ([state.value for state in sorted(action.sources)] or ["[*]"])
        for target in action.targets
    ]
    lines += [f"    {state.value} --> [*]" for state in sorted(ENDED)]
    lines += ["    note right of registered", "        Without a change of state 不改变状态"]
    lines += [f"        {action.zh} {action.name}" for action in ACTIONS if not action.targets]
    return "\n".join([*lines, "    end note"]) + "\n"
