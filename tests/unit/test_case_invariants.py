"""The invariants of a case: a rule that goes wrong makes no case that nobody can read."""

from typing import Any

import pytest

from api.desk.timeline import entry_of
from api.desk.words import Names
from domain.case.actions.link_incident import KEPT, Settlement, outcome
from domain.case.automatic.internal_updates import NewTerms
from domain.case.case import Case, notifications
from domain.case.clocks import Clock
from domain.case.decide import CASE_KINDS
from domain.case.lifecycle import State
from domain.catalogue.terms import Edition
from domain.shared.errors import Refused
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import (
    ADMIN,
    BODIES,
    INCIDENT,
    MONDAY,
    THEN,
    case_in,
    command,
    data_of,
    do,
    hours,
    minutes,
    registration,
    terms,
)

TOO_SMALL = "Clock.budget_seconds: greater_than"


def broken(clock: Clock, *_: Any) -> Clock:
    return clock.model_copy(update={"budget_seconds": -86400.0})


@pytest.mark.parametrize(
    ("rule", "state", "action"),
    [
        ("start", State.REGISTERED, "dispatch"),
        ("stop", State.DISPATCHED, "sign_for"),
        ("pause", State.IN_PROGRESS, "suspend"),
    ],
)
def test_an_action_that_breaks_a_clock_is_refused_with_nothing_done(
    monkeypatch: pytest.MonkeyPatch, rule: str, state: State, action: str
) -> None:
    case = case_in(state)
    before = case.model_copy()
    monkeypatch.setattr(Clock, rule, broken)
    for attempt in (case.check, case.apply):
        with pytest.raises(Refused) as refused:
            attempt(command(BODIES[action]), THEN)
        assert (refused.value.kind, refused.value.code) == ("conflict", "invalid_result")
        assert TOO_SMALL in refused.value.message
        assert "-86400" not in refused.value.message
        assert case == before
    monkeypatch.undo()
    do(case, BODIES[action], THEN)
    assert case.version == before.version + 1


def test_what_time_brings_is_left_out_once_and_tried_again_after_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the workflow asks: at each deadline, until there is none."""
    case, events = Case.register(registration())
    history = [*events, *do(case, BODIES["dispatch"], MONDAY)]
    clocks, due = case.clocks, case.next_deadline()
    assert due
    with monkeypatch.context() as wrong:
        wrong.setattr(Clock, "escalate", broken)
        (event,) = case.advance(due)
        assert (event.action, data_of(event)) == ("left_out", {"kind": "escalate", "error": TOO_SMALL})
        assert event.recipients == ("supervisor",)
        assert [each.text_zh for each in notifications(case.number, event)] == [
            f"工单{case.number}：系统事项「{CASE_KINDS['escalate'].zh}」不合规定，未执行，请检查"
        ]
        assert ("类别", CASE_KINDS["escalate"].zh) in entry_of(
            case, event, Names(load_catalogue(DEFAULT_CATALOGUE), zh=True), ADMIN
        ).facts
        assert (case.clocks, case.flags, case.left_out) == (clocks, ("left_out",), ("escalate",))
        assert case.advance(due + hours(2)) == ()
        assert (case.next_deadline() or due + hours(1)) > due
        assert [each.action for each in do(case, BODIES["comment"], due + minutes(1))] == ["comment"]
    history += [event, *case.advance(due + minutes(1))]
    assert case.left_out == ()
    assert "escalate" in [each.action for each in history]


def test_a_case_with_something_left_out_is_the_fold_of_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    case, events = Case.register(registration())
    history = [*events, *do(case, BODIES["dispatch"], MONDAY)]
    monkeypatch.setattr(Clock, "escalate", broken)
    history += case.advance(MONDAY + hours(1))
    assert Case.fold(history) == case


def test_a_wake_date_that_is_left_out_holds_up_no_other_event(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_in(State.IN_PROGRESS)
    do(case, BODIES["suspend"].model_copy(update={"wake_at": MONDAY + hours(1)}), MONDAY)
    monkeypatch.setattr(Clock, "resume", broken)
    assert [data_of(event)["kind"] for event in case.advance(MONDAY + hours(9))] == ["resume"]
    do(case, BODIES["comment"], MONDAY + hours(9))
    assert (case.state, case.wake_at) == (State.SUSPENDED, MONDAY + hours(1))


def test_a_catalogue_that_breaks_a_case_leaves_it_under_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_in(State.DISPATCHED)
    before = case.terms
    monkeypatch.setattr("domain.case.new_terms._Recount._budget", lambda *_: {"budget_seconds": -1e9})
    new = NewTerms(terms=terms(priority="P4"), edition=Edition(digest="0123456789ab", name="New", name_zh="新"))
    assert [event.action for event in case.change_catalogue(new, THEN)] == ["left_out"]
    assert case.terms == before


def test_a_case_that_its_incident_would_break_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    start = registration().model_copy(update={"incident": INCIDENT})
    case, _ = Case.register(start)
    do(case, BODIES["dispatch"], MONDAY)
    monkeypatch.setattr(Clock, "stop", broken)
    settlement = Settlement(incident=INCIDENT, result="修好", message="已恢复")
    assert [event.action for event in case.settle(settlement, THEN)] == ["left_out", "comment"]
    assert (case.state, case.settled, outcome(case, INCIDENT)) == (State.DISPATCHED, KEPT, KEPT)
