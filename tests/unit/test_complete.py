"""Tables by state, role, clock and the like: a member without its row stops the import, and is named."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from itertools import combinations
from types import ModuleType
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from api.app import ROUTERS
from api.edge import chinese
from api.edge.chinese import check_words
from api.edge.problems import ProblemKind
from domain.assessment.actions import ASSESSMENT_ACTIONS
from domain.calls import call
from domain.case.actions import ACTIONS, reply, suspend
from domain.case.lifecycle import State
from domain.case.state import Action
from domain.catalogue.terms import CLOCKS, ClockName
from domain.incident.actions import INCIDENT_ACTIONS
from domain.kit.event import AnyAction, by_body, by_name
from domain.shared import actors
from domain.shared.actors import Role
from domain.shared.value import exhaustive


def test_a_table_with_a_row_for_each_member_is_returned() -> None:
    """It may be a table by an enumeration or by names, or the members alone."""
    table = {state: state.zh for state in State}
    assert exhaustive("STAGES", State, table) is table
    assert exhaustive("CLOCKS", get_args(ClockName), CLOCKS) is CLOCKS
    assert exhaustive("ROLES", Role, frozenset(Role)) == set(Role)


@pytest.mark.parametrize("members", [State, Role, get_args(ClockName)], ids=["state", "role", "clock"])
def test_a_table_without_some_members_is_refused_with_their_names(members: tuple[str, ...]) -> None:
    """All that is missing is named at once, with the table that lacks it."""
    kept, first, *_, last = members
    rows = {each: "" for each in members if each not in (first, last)}
    assert kept in rows
    with pytest.raises(LookupError, match=f"^STAGES has no row for {first}, {last}; accepted: a row for each$"):
        exhaustive("STAGES", members, rows)


def test_two_kinds_of_one_name_or_one_body_are_refused() -> None:
    """One would take the other's place without a word."""
    twin = replace(reply.ACTION, body=suspend.Suspend)
    with pytest.raises(LookupError, match=r"^two kinds of events have one name; accepted: one for each of reply$"):
        by_name(reply.ACTION, twin)
    with pytest.raises(LookupError, match=r"^two kinds of events have one body; accepted: one for each of "):
        by_body(suspend.ACTION, twin)
    assert by_name(reply.ACTION, suspend.ACTION) == {"reply": reply.ACTION, "suspend": suspend.ACTION}


def test_a_table_of_the_notified_has_a_row_for_each_target() -> None:
    facts = {name: getattr(reply.ACTION, name) for name in ("zh", "description", "roles", "sources", "body", "example")}
    with pytest.raises(LookupError, match=r"^notifies of answer_twice has no row for closed; accepted: "):
        Action(name="answer_twice", targets=(State.CLOSED,), notifies={State.WITHDRAWN: ("caller",)}, **facts)


GIVEN: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 10**30, 0.5, 1e15, "", "?", "12345678901.1", "1.234", "x" * 3000, "\U000e0041", "9" * 40),
    *([], ["x"] * 200, {}, {"x": 1}, "2026-12-01T10:00:00+08:00", "2026-13-01", "satisfied", ["leak"], "repair"),
)
"""Values, right for some fields of the API and wrong for others."""


def faults(model: type[BaseModel]) -> Iterator[ErrorDetails]:
    """Yield the faults of bodies that have a value in one field, in two, or right values in all."""
    right = dict[str, Any]()
    for name, field in model.model_fields.items():
        for value in GIVEN:
            found = faults_in(model, {name: value})
            yield from found
            if value is not None and not any(fault["loc"][:1] == (field.alias or name,) for fault in found):
                right.setdefault(name, value)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from faults(part)
    needed = {name: right[name] for name, field in model.model_fields.items() if field.is_required() and name in right}
    for given in ({}, right, *({**needed, **dict(pair)} for pair in combinations(right.items(), 2))):
        yield from faults_in(model, given)


def faults_in(model: type[BaseModel], given: Mapping[str, Any]) -> list[ErrorDetails]:
    try:
        model.model_validate_json(to_json(given))
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def test_every_fault_of_a_request_has_chinese_words() -> None:
    """They are those that the models of the API's bodies and parameters give."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    fields = [each for route in routes for each in (route.body_field, *route.dependant.query_params) if each]
    annotations = [field.field_info.annotation for field in fields]
    parts = {part for each in annotations for part in (each, *get_args(each)) if isinstance(part, type)}
    actions: tuple[AnyAction, ...] = (*ACTIONS, *INCIDENT_ACTIONS, *ASSESSMENT_ACTIONS)
    found: dict[str, ErrorDetails] = {}
    for model in {part for part in parts if issubclass(part, BaseModel)} | {each.body for each in actions}:
        found |= {fault["type"]: fault for fault in faults(model)}
    assert found.keys() > {"too_short", "instant", "half_circle", "no_place", "follow_up_form", "only_of_thanks"}
    said = {name: chinese.fault(fault, ["x"]) for name, fault in found.items()}
    assert [name for name, words in said.items() if words in ("填写有误", "格式不对") or "{" in words] == []


def test_a_problem_type_without_chinese_words_is_refused() -> None:
    check_words([ProblemKind("temporal-down", HTTPStatus.SERVICE_UNAVAILABLE, "Temporal down")])
    with pytest.raises(LookupError, match=r"^_ZH has no row for other-owner-now; accepted: "):
        check_words([ProblemKind("other-owner-now", HTTPStatus.CONFLICT, "Another owner now")])


NEW_ROLE = {
    '    ADMIN = "admin", "管理员"\n': '    ADMIN = "admin", "管理员"\n    NEW = "new", "新"\n',
    "    Role.TELEPHONY,\n]": "    Role.TELEPHONY,\n    Role.NEW,\n]",
}
NEW_OUTCOME = {
    '    UNTIMED = "untimed", "等待时长不明"\n': '    UNTIMED = "untimed", "等待时长不明"\n    NEW = "new", "新"\n'
}
OFFERED = {"OFFERED_OUTCOMES = frozenset(\n    {": "OFFERED_OUTCOMES = frozenset(\n    {CallOutcome.NEW, "}
ANSWERED = {"CONVERSATIONS = frozenset({": "CONVERSATIONS = frozenset({CallOutcome.NEW, "}


@pytest.mark.parametrize(
    ("module", "changes", "table"),
    [
        (actors, NEW_ROLE, "OWNERS, or no owners"),
        (call, NEW_OUTCOME | ANSWERED, "OFFERED_OUTCOMES, or not offered"),
        (call, NEW_OUTCOME | OFFERED, "CONVERSATIONS, MISSED_OUTCOMES or neither"),
    ],
    ids=["who-owns-cases", "what-is-offered", "who-is-called-back"],
)
def test_a_new_member_does_not_get_a_meaning_by_default(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, changes: dict[str, str], table: str
) -> None:
    """People of a new role do not own cases, nor is a caller with a new outcome forgotten, because nobody said it."""
    source = inspect.getsource(module)
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    made = ModuleType("made")
    monkeypatch.setitem(sys.modules, "made", made)
    with pytest.raises(LookupError, match=f"^{table} has no row for new; "):
        exec(compile(source, "made", "exec"), vars(made))  # noqa: S102 - the module, with one more member
