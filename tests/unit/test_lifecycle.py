"""The table, written out a second time by hand: whoever changes the lifecycle changes it here as well."""

import importlib
import pkgutil
import re
import sys
from types import FunctionType, ModuleType

import pytest

from domain.assessment.actions import ASSESSMENT_ACTIONS
from domain.case import actions
from domain.case.actions import ACTIONS, TABLE
from domain.case.lifecycle import ENDED, OPEN, State
from domain.case.state import Action
from domain.case.views import mermaid
from domain.incident import actions as incident_actions
from domain.incident.actions import INCIDENT_ACTIONS
from domain.kit.event import AnyAction
from domain.shared.actors import Role
from domain.shared.errors import OTHER_DEPARTMENT, OUT_OF_TURN, WRONG_ROLE, ProblemType

ANY_OPEN = (
    "registered dispatched pending_redispatch in_progress suspended awaiting_approval pending_reply pending_follow_up"
)
STAFF = "agent owner dispatcher crew supervisor manager follow_up"

# action, Chinese, from, to, roles
BY_HAND = (
    ("register", "受理", "", "registered", "agent"),
    ("answer", "直接答复", "registered", "closed pending_follow_up", "agent"),
    (
        "dispatch",
        "派单",
        "registered dispatched pending_redispatch in_progress",
        "dispatched",
        "agent dispatcher supervisor",
    ),
    ("refuse", "不予受理", "registered pending_redispatch", "refused", "dispatcher"),
    ("sign_for", "签收", "dispatched", "in_progress", "crew"),
    ("return", "退单", "dispatched in_progress", "pending_redispatch", "crew"),
    ("reject_return", "驳回退单", "pending_redispatch", "dispatched", "dispatcher"),
    ("arrive", "到场", "in_progress", "in_progress", "crew"),
    ("suspend", "挂起", "in_progress", "suspended", "crew owner"),
    ("resume", "恢复", "suspended", "in_progress", "crew agent system"),
    ("request_approval", "报批", "in_progress", "awaiting_approval", "crew agent"),
    ("decide_approval", "审批", "awaiting_approval", "in_progress awaiting_approval", "manager"),
    ("complete", "处理完成", "in_progress", "pending_reply in_progress", "crew"),
    ("send_back", "审核退回", "pending_reply", "in_progress", "supervisor owner"),
    ("reply", "回复", "pending_reply", "pending_follow_up", "owner"),
    ("follow_up", "回访", "pending_follow_up", "closed dispatched pending_follow_up", "follow_up caller"),
    ("reopen", "重开", "closed", "dispatched", "agent caller"),
    ("withdraw", "撤销", ANY_OPEN, "withdrawn", "owner supervisor agent"),
    ("reinstate", "撤回撤销", "withdrawn", ANY_OPEN, "owner supervisor"),
    ("comment", "补充", f"{ANY_OPEN} closed", "", f"{STAFF} caller"),
    ("correct", "更正", ANY_OPEN, "", "agent owner dispatcher supervisor"),
    ("urge", "催办", ANY_OPEN, "", "agent supervisor caller"),
    ("send_link", "发送链接", f"{ANY_OPEN} closed", "", "agent supervisor follow_up"),
    ("revoke_links", "作废链接", f"{ANY_OPEN} closed", "", "agent supervisor follow_up"),
    ("unsubscribe", "退订短信", f"{ANY_OPEN} closed", "", "caller"),
    ("subscribe", "恢复短信", f"{ANY_OPEN} closed", "", "agent caller"),
    ("supervise", "督办", ANY_OPEN, "", "supervisor manager"),
    ("request_extension", "申请延期", "dispatched in_progress awaiting_approval", "", "crew"),
    ("decide_extension", "延期审批", ANY_OPEN, "", "supervisor"),
    ("hand_over", "移交", ANY_OPEN, "", "supervisor"),
    ("assign", "指派", "dispatched in_progress suspended awaiting_approval", "", "crew dispatcher supervisor"),
    ("involve", "协办", "dispatched in_progress", "", "dispatcher owner"),
    (
        "release",
        "撤回协办",
        "dispatched pending_redispatch in_progress suspended awaiting_approval",
        "",
        "dispatcher owner",
    ),
    (
        "link_incident",
        "并案",
        "registered dispatched pending_redispatch in_progress suspended awaiting_approval pending_reply",
        "",
        "dispatcher supervisor owner system",
    ),
    ("decide_credit", "补偿审批", f"{ANY_OPEN} closed refused withdrawn", "", "manager"),
)


def as_agreed(row: Action) -> tuple[str, str, set[str], list[str], set[str]]:
    return (
        row.name,
        row.zh,
        {state.value for state in row.sources},
        [state.value for state in row.targets],
        {role.value for role in row.roles},
    )


def test_the_table_is_the_one_that_was_agreed() -> None:
    agreed = [(a, zh, set(sources.split()), to.split(), set(roles.split())) for a, zh, sources, to, roles in BY_HAND]
    assert [as_agreed(row) for row in ACTIONS] == agreed, "write the row of an action that was agreed on into BY_HAND"


def test_every_action_has_one_row() -> None:
    assert [row.name for row in ACTIONS] == list(TABLE)
    unlisted = [module.__name__ for module in MODULES if module.ACTION not in ACTIONS]
    assert not unlisted, f"add {unlisted} to the list of actions in the `__init__.py` beside it"


OF_EVERY_ACTION = {WRONG_ROLE, OTHER_DEPARTMENT, OUT_OF_TURN}
MODULES = [
    importlib.import_module(f"{actions.__name__}.{module.name}") for module in pkgutil.iter_modules(actions.__path__)
]


def unnamed_problems(module: ModuleType, *rows: AnyAction) -> list[str]:
    named = {*OF_EVERY_ACTION, *(problem for row in rows for problem in row.problems)}
    used = {name: value for name, value in vars(module).items() if isinstance(value, ProblemType)}
    return [name for name, value in used.items() if value not in named]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_an_action_names_every_problem_type_that_its_module_uses(module: ModuleType) -> None:
    missing = unnamed_problems(module, module.ACTION)
    assert not missing, f"add {', '.join(missing)} to `problems=` of ACTION in {module.__file__}"


def test_actions_on_incidents_name_every_problem_type_that_their_module_uses() -> None:
    assert not unnamed_problems(incident_actions, *INCIDENT_ACTIONS)


@pytest.mark.parametrize("row", [*INCIDENT_ACTIONS, *ASSESSMENT_ACTIONS], ids=lambda row: row.name)
def test_an_action_in_a_common_module_names_every_problem_type_that_its_body_uses(row: AnyAction) -> None:
    module = vars(sys.modules[row.body.__module__])
    methods = [each for each in vars(row.body).values() if isinstance(each, FunctionType)]
    used = {name: module.get(name) for method in methods for name in method.__code__.co_names}
    problems = {name for name, value in used.items() if isinstance(value, ProblemType) and value not in row.problems}
    assert not problems, f"add {', '.join(problems)} to `problems=` of {row.name}"


def test_problem_types_have_chinese_titles_of_their_own() -> None:
    """The Temporal UI shows them."""
    rows: tuple[AnyAction, ...] = (*ACTIONS, *INCIDENT_ACTIONS)
    problems = {*OF_EVERY_ACTION, *(problem for row in rows for problem in row.problems)}
    titles = [problem.zh for problem in problems]
    assert len({*titles}) == len(titles)
    assert all("一" <= title[0] <= "鿿" for title in titles)


def test_states_and_roles_have_chinese_names_of_their_own() -> None:
    assert len({state.zh for state in State}) == len(State)
    assert len({role.zh for role in Role}) == len(Role)
    assert State.PENDING_REDISPATCH.zh == "待改派"


def test_open_and_ended_part_the_states() -> None:
    assert {state.value for state in ENDED} == {"closed", "refused", "withdrawn"}
    assert set(State) - ENDED == OPEN


def test_every_state_can_be_reached_and_every_open_one_left() -> None:
    reached, ahead = set[State](), [State.REGISTERED]
    while ahead:
        state = ahead.pop()
        reached.add(state)
        ahead += [to for row in ACTIONS if state in row.sources for to in row.targets if to not in reached]
    assert reached == set(State)
    for state in OPEN:
        assert any(state in row.sources and set(row.targets) - {state} for row in ACTIONS)


class TestMermaid:
    def test_every_row_is_drawn_at_every_state_it_leaves(self) -> None:
        lines = [line.strip() for line in mermaid().splitlines()]
        for action, zh, sources, targets, _ in BY_HAND:
            for target in targets.split():
                for source in sources.split() or ["[*]"]:
                    assert f"{source} --> {target}: {zh} {action}" in lines
            if not targets:
                assert f"{zh} {action}" in lines[lines.index("note right of registered") : lines.index("end note")]

    def test_nothing_else_is_drawn(self) -> None:
        arrows = re.findall(r"^ +(\S+) --> (\S+): (\S+) (\S+)$", mermaid(), flags=re.MULTILINE)
        drawn = [(action, source, target) for source, target, _, action in arrows]
        wanted = [
            (action, source, target)
            for action, _, sources, targets, _ in BY_HAND
            for source in sources.split() or ["[*]"]
            for target in targets.split()
        ]
        assert sorted(drawn) == sorted(wanted)

    def test_states_are_named_and_ends_are_ends(self) -> None:
        text = mermaid()
        assert text.startswith("stateDiagram-v2\n")
        assert text.endswith("end note\n")
        for state in State:
            assert f"    {state.value}: {state.zh} {state.value}\n" in text
            assert (f"    {state.value} --> [*]\n" in text) == (state in ENDED)
