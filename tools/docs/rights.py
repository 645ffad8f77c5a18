"""Lists of the page about rights and masking."""

from collections.abc import Iterable

from api.temporal_ui.reading import RIGHTS as RIGHTS_BY_ID
from domain.assessment.actions import ASSESSMENT_COMMANDS
from domain.rights.rights import (
    ACTION_RIGHTS,
    KEYED,
    PERSONAL_DATA,
    READ_CASES,
    RIGHT_TO_DECLARE,
    RIGHTS,
    Reach,
    Right,
    Sight,
)
from domain.shared.actors import Role
from tools.docs.markdown import bullets

PEOPLE = tuple(role for role in KEYED if role not in (Role.TELEPHONY, Role.ADMIN))


def rights() -> str:
    """Return the rights that are no actions with their meaning, by the roles that have them."""
    by_roles = dict[str, list[Right]]()
    for each in RIGHTS:
        by_roles.setdefault(_roles(each), []).append(each)
    return "\n".join(
        f"{roles}:\n\n{bullets(f'`{each.name}` {each.zh}: {each.description}' for each in held)}"
        for roles, held in by_roles.items()
    )


def actions() -> str:
    """Return the rights to actions that no transition table shows, with their roles."""
    names = {RIGHT_TO_DECLARE.name, *(f"assessment_{name}" for name in ASSESSMENT_COMMANDS)}
    return bullets(f"`{each.name}` {each.zh}: {_roles(each)}" for each in ACTION_RIGHTS if each.name in names)


def personal_data() -> str:
    """Return the kinds of personal data: their fields, and who sees them."""
    fields = (f"`{kind.name}` {kind.zh}: {_code(kind.fields)}" for kind in PERSONAL_DATA)
    seen = (f"`{str(sight).replace('_', ' ')}` {sight.zh}: {_seen(sight)}" for sight in Sight)
    return f"{bullets(fields)}\nA role sees them:\n\n{bullets(seen)}"


def _seen(sight: Sight) -> str:
    """Return the roles with this sight of all kinds of data, and those with it of some."""
    kinds = {role: [kind.name for kind in PERSONAL_DATA if kind.sight_of(role) is sight] for role in KEYED}
    return ", ".join(
        f"`{role}`" + ("" if len(names) == len(PERSONAL_DATA) else f" ({_code(names)})")
        for role, names in kinds.items()
        if names
    )


def temporal_ui() -> str:
    """Return the workflows of the Temporal UI, with the right to read them."""
    read = [f"`{start}…`: `{right.name}`" for start, right in RIGHTS_BY_ID.items()]
    return bullets([*read, f"all others: `{READ_CASES.name}` for every case"])


def _roles(right: Right) -> str:
    """Return the roles of people and machines that have a right; the administrator has every one."""
    held = [role for role in KEYED if role in right.reach and role is not Role.ADMIN]
    of_department = [role for role in held if right.reach[role] is Reach.DEPARTMENT]
    words = "All people" if set(held) == set(PEOPLE) else _code(held)
    return f"{words}, {_code(of_department)} for its department" if of_department else words


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
