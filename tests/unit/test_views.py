"""Views of a case for its readers: the names and shapes of the published contract."""

import json
from decimal import Decimal

import pytest

from domain.case.actions import TABLE
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.suspend import Suspend
from domain.case.case import Case
from domain.case.lifecycle import State
from domain.case.views import CaseView, ClockView, view_case, view_clock
from tests.support.build import (
    BODIES,
    CREW,
    MONDAY,
    OWNER,
    THEN,
    case_in,
    clock,
    days,
    do,
    hours,
    minutes,
)

CLOCK_FIELDS = {
    "name",
    "cycle",
    "status",
    "calendar",
    "budget_seconds",
    "elapsed_seconds",
    "remaining_seconds",
    "started_at",
    "due_at",
    "missed_at",
    "paused",
}
CASE_FIELDS = {
    "number",
    "state",
    "service_code",
    "priority",
    "owner",
    "department",
    "assignee",
    "cycle",
    "version",
    "flags",
    "registered_at",
    "closed_at",
    "clocks",
    "available_actions",
}


def written(case: Case) -> dict[str, object]:
    shown: dict[str, object] = json.loads(view_case(case, THEN).model_dump_json())
    return shown


class TestCase:
    def test_has_every_promised_field(self) -> None:
        assert set(CaseView.model_fields) >= CASE_FIELDS

    def test_shows_what_was_said_and_where_it_stands(self) -> None:
        case = case_in(State.IN_PROGRESS)
        view = view_case(case, THEN)
        assert (view.number, view.state, view.version) == (case.number, State.IN_PROGRESS, 3)
        assert (view.service_code, view.priority, view.channel) == ("no_water", "P2", "phone")
        assert (view.owner, view.department, view.assignee) == (OWNER.id, "repair", CREW.id)
        assert (view.caller, view.location) == (case.intake.caller, case.intake.location)
        assert view.description == case.intake.description
        assert (view.registered_at, view.next_due_at) == (MONDAY, MONDAY + hours(1))
        assert (view.sla, view.overdue, view.follow_up_attempts) == ("on_time", False, 0)
        assert view.available_actions == ()

    def test_writes_times_in_utc_and_money_as_a_decimal_string(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, RequestApproval(subject="Pipes", amount=Decimal("1250.5")), THEN)
        shown = written(case)
        assert shown["registered_at"] == "2026-09-07T01:00:00Z"
        assert shown["approval"] == {
            "subject": "Pipes",
            "amount": "1250.50",
            "kind": None,
            "grounds": None,
            "approvers": [],
            "approved_by": [],
            "requested_by": CREW.id,
            "requested_at": "2026-09-07T01:03:00Z",
        }

    def test_shows_the_pending_request_and_the_wake_date(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["request_extension"], THEN)
        do(case, Suspend(reason="x", wake_at=MONDAY + days(1)), THEN)
        view = view_case(case, THEN)
        assert view.extension is not None
        assert (view.extension.working_days, view.wake_at, view.sla) == (3, MONDAY + days(1), "paused")

    def test_keeps_the_terms_to_itself(self) -> None:
        assert not {"terms", "intake", "calendar", "ladder", "process"} & set(written(case_in(State.REGISTERED)))

    @pytest.mark.parametrize("state", State)
    def test_reads_back_as_it_was_written(self, state: State) -> None:
        view = view_case(case_in(state), THEN)
        assert CaseView.model_validate_json(view.model_dump_json()) == view


class TestClock:
    def test_has_every_promised_field(self) -> None:
        assert set(ClockView.model_fields) >= CLOCK_FIELDS

    def test_says_why_it_is_due_when_it_is(self) -> None:
        case = case_in(State.DISPATCHED)
        view = view_clock(clock(case, "acknowledge"), case, THEN)
        assert (view.budget_seconds, view.elapsed_seconds, view.remaining_seconds) == (600, 180, 420)
        assert (view.started_at, view.due_at, view.calendar) == (MONDAY, MONDAY + minutes(10), "always")
        assert (view.status.value, view.paused, view.missed_at) == ("running", False, None)

    def test_late_it_owes_time(self) -> None:
        case = case_in(State.DISPATCHED)
        case.advance(MONDAY + minutes(12))
        view = view_clock(clock(case, "acknowledge"), case, MONDAY + minutes(12))
        assert (view.remaining_seconds, view.status.value) == (-120, "missed")
        assert view.missed_at == view.due_at == MONDAY + minutes(10)

    def test_paused_it_is_due_nobody_knows_when(self) -> None:
        case = case_in(State.SUSPENDED)
        view = view_clock(clock(case, "resolve"), case, MONDAY + days(3))
        assert (view.paused, view.due_at, view.elapsed_seconds, view.status.value) == (True, None, 0, "paused")


class TestAvailable:
    def test_is_what_the_reader_may_do(self) -> None:
        case = case_in(State.IN_PROGRESS)
        view = view_case(case, THEN, case.available_actions(CREW, THEN))
        assert {"complete", "return", "request_extension"} < set(view.available_actions)
        assert list(view.available_actions) == [action for action in TABLE if action in view.available_actions]
