"""Tables of the page about rights and masking."""

from collections.abc import Sequence

from api.temporal_ui.reading import RIGHTS as RIGHTS_BY_ID
from domain.rights.rights import ACTION_RIGHTS, KEYED, PERSONAL_DATA, READ_CASES, RIGHTS, Reach, Right
from domain.shared.actors import Role
from tools.docs.markdown import table


def rights() -> str:
    """Return the rights that are no actions: their meaning, and their reach by role."""
    meanings = table(("right", "中文", "meaning"), ((f"`{each.name}`", each.zh, each.description) for each in RIGHTS))
    return f"{meanings}\n{_by_role(KEYED, RIGHTS)}"


def actions() -> str:
    """Return the actions, with their reach by role."""
    used = {role for right in ACTION_RIGHTS for role in right.reach}
    return _by_role([role for role in Role if role in used], ACTION_RIGHTS)


def personal_data() -> str:
    """Return the kinds of personal data: their fields, and who sees them."""
    fields = ((f"`{kind.name}`", kind.zh, ", ".join(f"`{each}`" for each in kind.fields)) for kind in PERSONAL_DATA)
    seen = ((f"`{kind.name}`", *(kind.sight_of(role).replace("_", " ") for role in KEYED)) for kind in PERSONAL_DATA)
    return f"{table(('data', '中文', 'fields'), fields)}\n{table(('data', *_heads(KEYED)), seen)}"


def temporal_ui() -> str:
    """Return the workflows of the Temporal UI, with the right to read them and its reach by role."""
    rows = [
        (f"`{start}…`", f"`{right.name}`", *(right.reach.get(role, "-") for role in KEYED))
        for start, right in RIGHTS_BY_ID.items()
    ]
    everything = ("any" if READ_CASES.reach.get(role) is Reach.ANY else "-" for role in KEYED)
    rows.append(("all others", f"`{READ_CASES.name}` for all", *everything))
    return table(("id of the workflow", "right", *_heads(KEYED)), rows)


def _by_role(roles: Sequence[Role], rights: Sequence[Right]) -> str:
    rows = ((f"`{each.name}`", *(each.reach.get(role, "-") for role in roles)) for each in rights)
    return table(("right", *_heads(roles)), rows)


def _heads(roles: Sequence[Role]) -> list[str]:
    return [f"`{role}`" for role in roles]
