"""The page about incidents shows what incidents do: each is brought to every state, and everything is tried there."""

import re

from domain.incident.actions import INCIDENT_COMMANDS
from domain.incident.incident import Incident
from domain.incident.state import ENDS, IncidentState
from domain.shared.actors import SYSTEM, Actor, Role
from domain.shared.errors import Refused
from tests.support.build import ADMIN, THEN
from tests.support.incidents import BODIES, ROAD, do, incident_in, opening
from tests.support.pages import page, section

PAGE = page("docs/incidents.md")
ACTIONS = section(PAGE, "Actions")


def tried(actor: Actor = ADMIN) -> set[tuple[str, str, str]]:
    """From where this person comes where by what."""
    found = set()
    for state in ROAD:
        for action, body in BODIES.items():
            try:
                event = do(incident_in(state), body, actor)
            except Refused:
                continue
            found.add((state.value, event.to_state.value, action))
    return found


def by_itself() -> set[tuple[str, str, str]]:
    """Return the changes of state (from, to, action) that come without anybody's doing."""
    begun = [Incident.open(opening(actor))[1] for actor in (SYSTEM, ADMIN)]
    found = {("[*]", first.to_state.value, first.action) for first in begun}
    for ending in ENDS:
        found.add((ending.value, incident_in(ending).finish(THEN, {}).to_state.value, "finish"))
    for state in {source for source, _, action in tried() if action == "merge"}:
        incident = incident_in(IncidentState(state))
        do(incident, BODIES["merge"], ADMIN)
        found.add(("merging", incident.fail_merge(THEN).to_state.value, "merge_failed"))
    return found


def test_the_drawing_has_every_change_of_state_and_no_other() -> None:
    drawn = set(re.findall(r"^ +(\S+) --> (\S+): \S+ (\S+)$", PAGE, re.MULTILINE))
    moved = {(source, target, action) for source, target, action in tried() if action != "inform"}
    assert drawn == moved | by_itself()


def test_the_drawing_names_every_state_in_both_languages() -> None:
    assert re.findall(r"^ +(\S+): [^\x00-\x7f]+ \1$", PAGE, re.MULTILINE) == [*IncidentState]


def rows() -> dict[str, list[list[str]]]:
    """The code names in each cell of the table of actions, by action."""
    names = [[re.findall(r"`([^`]+)`", cell) for cell in line.split(" | ")] for line in ACTIONS.splitlines()]
    return {cells[0][0]: cells for cells in names if cells[0] and len(cells) > 1}


def test_the_table_says_from_where_and_by_whom_each_action_is_done() -> None:
    people = [Actor(id="somebody", role=role, department="repair") for role in Role if role is not Role.ADMIN]
    may = {(person.role.value, action) for person in people for *_, action in tried(person)}
    table = rows()
    assert [*table] == [*INCIDENT_COMMANDS]
    for action, cells in table.items():
        assert {*cells[2]} == {source for source, _, done in tried() if done == action}
        assert {*cells[3]} == {role for role, done in may if done == action}


def test_the_table_has_every_field_of_a_body() -> None:
    for name, action in INCIDENT_COMMANDS.items():
        fields = {key: field.is_required() for key, field in action.body.model_fields.items() if key != "note"}
        assert rows()[name][4] == [key if needed else f"{key}?" for key, needed in fields.items()]
