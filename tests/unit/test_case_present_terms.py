"""Present terms: what promises become that are brought anew, or whose work is sent back; sums are done by hand."""

from datetime import datetime
from typing import Any

import pytest

from domain.case.actions.correct import CatalogueTerms, Correct, Correction
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.reject_return import RejectReturn
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.return_ import Return
from domain.case.actions.send_back import SendBack
from domain.case.case import Case
from domain.case.clocks import Clock
from domain.case.lifecycle import State
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Promise
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import (
    AGENT,
    BODIES,
    CALENDAR,
    INCIDENT,
    MONDAY,
    OTHER_CREW,
    PROMISES,
    SUPERVISOR,
    WORKING_DAY,
    case_in,
    clock,
    days,
    do,
    hours,
    minutes,
    registration,
)
from tests.support.new_terms import EDITION, new, promised, without

QUARTER = 900
"""Seconds of a quarter of an hour."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(DEFAULT_CATALOGUE)


def begun(catalogue: Catalogue, service: str, *actions: str, every: float = 5) -> Case:
    """A case of this service that took these actions, one each so many minutes."""
    start = registration().model_copy(update={"terms": catalogue.terms(service, "west", MONDAY)})
    intake = start.intake.model_copy(update={"service_code": service})
    case, _ = Case.register(start.model_copy(update={"intake": intake}))
    for place, action in enumerate(actions):
        do(case, BODIES[action], MONDAY + minutes(every * place))
    return case


def correct(case: Case, catalogue: Catalogue, service: str, at: datetime) -> None:
    in_force = CatalogueTerms(terms=catalogue.terms(service, "west", MONDAY), edition=EDITION, district="west")
    body: Correct = Correction(reason="Another matter.", service_code=service, in_force=in_force)
    do(case, body, at, AGENT)


def hold(case: Case, at: datetime, promises: tuple[Promise, ...] = PROMISES, **changes: Any) -> None:
    """Put a catalogue with these promises in force."""
    case.change_catalogue(new(promises=promises, **changes), at)


def used(case: Case, name: str, at: datetime) -> float:
    return clock(case, name).elapsed(at, case.calendar)


def of_part(case: Case, name: str) -> Clock:
    """The latest promise of this name of a part."""
    return [each for each in case.clocks if each.part and each.name == name][-1]


def readable(case: Case) -> bool:
    """Return True if a client can read the case as it was written."""
    return Case.model_validate_json(case.model_dump_json()) == case


class TestSentBack:
    """Work that is sent back after its terms have changed."""

    def test_and_corrected_back_has_the_budget_of_its_service(self, catalogue: Catalogue) -> None:
        case = begun(catalogue, "burst_main", "dispatch", "sign_for", "complete")
        correct(case, catalogue, "low_pressure", MONDAY + minutes(20))
        do(case, BODIES["send_back"], MONDAY + minutes(30))
        assert clock(case, "resolve").budget_seconds == 72 * 3600
        correct(case, catalogue, "burst_main", MONDAY + minutes(40))
        assert clock(case, "resolve").budget_seconds == 24 * 3600
        assert clock(case, "resolve").due_at(case.calendar) == MONDAY + days(1)
        assert readable(case)

    def test_keeps_the_share_that_was_used_up_on_another_calendar(self, catalogue: Catalogue) -> None:
        """Ten minutes of a day, then the twenty of the review in working time."""
        case = begun(catalogue, "leak", "dispatch", "sign_for", "complete")
        correct(case, catalogue, "billing", MONDAY + minutes(20))
        do(case, BODIES["send_back"], MONDAY + minutes(30))
        share = 600 / 86_400 * 5 * WORKING_DAY
        assert (clock(case, "resolve").calendar, used(case, "resolve", MONDAY + minutes(30))) == (
            "working",
            share + 1200,
        )
        correct(case, catalogue, "low_pressure", MONDAY + minutes(40))
        assert clock(case, "resolve").budget_seconds == 72 * 3600
        again = (share + 1800) / (5 * WORKING_DAY) * 72 * 3600
        assert used(case, "resolve", MONDAY + minutes(40)) == pytest.approx(again)

    @pytest.mark.parametrize("extension", [0, 3])
    def test_between_two_rollouts_has_the_last_budget_and_its_extension(self, extension: int) -> None:
        case = case_in(State.IN_PROGRESS)
        if extension:
            do(case, RequestExtension(working_days=extension, reason="Parts."), MONDAY)
            do(case, DecideExtension(approved=True), MONDAY)
        do(case, BODIES["complete"], MONDAY + hours(1))
        hold(case, MONDAY + hours(2), promised("resolve", budget_seconds=2 * WORKING_DAY))
        do(case, BODIES["send_back"], MONDAY + hours(2))
        assert clock(case, "resolve").budget_seconds == (2 + extension) * WORKING_DAY
        hold(case, MONDAY + hours(3), promised("resolve", budget_seconds=4 * WORKING_DAY))
        assert clock(case, "resolve").budget_seconds == (4 + extension) * WORKING_DAY
        # Three hours of Monday until noon, and the lunch hours do not count.
        assert clock(case, "resolve").consumed_seconds == 3 * 3600

    def test_of_a_part_is_held_to_the_present_terms_as_well(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["involve"], MONDAY + minutes(10))
        for action in ("sign_for", "complete"):
            do(case, BODIES[action], MONDAY + minutes(20), OTHER_CREW)
        do(case, BODIES["complete"], MONDAY + minutes(30))
        hold(case, MONDAY + minutes(40), promised("resolve", budget_seconds=7200))
        do(case, SendBack(department="metering", reason="Read it again."), MONDAY + minutes(50), SUPERVISOR)
        assert of_part(case, "resolve").due_at(CALENDAR) == MONDAY + minutes(130)
        hold(case, MONDAY + minutes(60), promised("resolve", budget_seconds=3600))
        assert of_part(case, "resolve").due_at(CALENDAR) == MONDAY + minutes(70)

    def test_is_not_promised_by_a_service_that_lacks_it(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["involve"], MONDAY)
        for action in ("sign_for", "complete"):
            do(case, BODIES[action], MONDAY, OTHER_CREW)
        do(case, BODIES["complete"], MONDAY + minutes(30))
        hold(case, MONDAY + minutes(40), without("resolve"))
        do(case, SendBack(department="metering", reason="Read it again."), MONDAY + minutes(50), SUPERVISOR)
        assert {each.status.value for each in case.clocks if each.name == "resolve"} == {"met"}
        hold(case, MONDAY + minutes(60))
        assert [each.status.value for each in case.clocks if each.name == "resolve"] == ["met", "met", *["running"] * 2]
        assert {used(case, "resolve", MONDAY + hours(1)), of_part(case, "resolve").elapsed(MONDAY, CALENDAR)} == {3600}

    def test_is_promised_by_a_service_that_has_it_since(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=without("resolve"))
        do(case, BODIES["complete"], MONDAY + minutes(30))
        hold(case, MONDAY + minutes(40), promised("resolve", calendar="always", budget_seconds=7200))
        assert not [each for each in case.clocks if each.name == "resolve"]
        do(case, BODIES["send_back"], MONDAY + minutes(50))
        assert clock(case, "resolve").due_at(CALENDAR) == MONDAY + hours(2)

    def test_is_missed_since_the_terms_that_were_too_short(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["complete"], MONDAY + minutes(30))
        hold(case, MONDAY + minutes(40), promised("resolve", calendar="always", budget_seconds=600))
        do(case, BODIES["send_back"], MONDAY + minutes(50))
        case.advance(MONDAY + minutes(51))
        assert clock(case, "resolve").missed_at == MONDAY + minutes(40)

    def test_that_was_late_stays_late_as_it_was(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=promised("resolve", calendar="always", budget_seconds=600))
        do(case, BODIES["complete"], MONDAY + minutes(30))
        hold(case, MONDAY + minutes(40))
        do(case, BODIES["send_back"], MONDAY + minutes(50))
        late = clock(case, "resolve")
        assert (late.missed_at, late.budget_seconds) == (MONDAY + minutes(10), 600)
        assert late.elapsed(MONDAY + hours(1), CALENDAR) == 3600

    def test_does_not_count_what_a_part_that_was_done_meanwhile_stood_still(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=promised("resolve", calendar="always", budget_seconds=36_000))
        do(case, BODIES["involve"], MONDAY)
        do(case, BODIES["sign_for"], MONDAY, OTHER_CREW)
        do(case, BODIES["suspend"], MONDAY + minutes(10))
        do(case, BODIES["complete"], MONDAY + minutes(20), OTHER_CREW)
        do(case, BODIES["resume"], MONDAY + minutes(50))
        do(case, BODIES["complete"], MONDAY + minutes(55))
        do(case, SendBack(department="metering", reason="Read it again."), MONDAY + minutes(60), SUPERVISOR)
        assert of_part(case, "resolve").elapsed(MONDAY + minutes(60), CALENDAR) == 20 * 60


class TestAnew:
    """Promises that a correction or a catalogue brings: the time in which the case stood still does not count."""

    @pytest.mark.parametrize(("stands", "goes_on"), [("suspend", "resume"), ("request_approval", "decide_approval")])
    def test_does_not_count_what_the_case_stood_still(self, catalogue: Catalogue, stands: str, goes_on: str) -> None:
        case = begun(catalogue, "billing", "dispatch", "sign_for", stands)
        do(case, BODIES[goes_on], MONDAY + hours(2))
        correct(case, catalogue, "no_water", MONDAY + minutes(125))
        assert used(case, "arrive", MONDAY + minutes(125)) == QUARTER
        assert clock(case, "arrive").due_at(case.calendar) == MONDAY + minutes(125 + 120 - 15)

    def test_counts_on_once_the_case_goes_on(self, catalogue: Catalogue) -> None:
        case = begun(catalogue, "billing", "dispatch", "sign_for", "suspend")
        correct(case, catalogue, "no_water", MONDAY + hours(1))
        assert (clock(case, "arrive").paused, used(case, "arrive", MONDAY + hours(9))) == (True, 600)
        do(case, BODIES["resume"], MONDAY + hours(2))
        assert clock(case, "arrive").due_at(case.calendar) == MONDAY + minutes(120 + 120 - 10)

    def test_to_the_caller_counts_what_the_departments_alone_stood_still(self) -> None:
        hasty = promised("reply", calendar="always", budget_seconds=86_400)
        case = case_in(State.AWAITING_APPROVAL, promises=without("reply"))
        do(case, BODIES["decide_approval"], MONDAY + hours(3))
        do(case, BODIES["suspend"], MONDAY + hours(4))
        do(case, BODIES["resume"], MONDAY + hours(9))
        hold(case, MONDAY + hours(10), hasty)
        assert used(case, "reply", MONDAY + hours(10)) == 5 * 3600

    def test_in_a_later_cycle_counts_that_cycle_without_its_standstills(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, promises=without("arrive"))
        do(case, FollowUp(outcome="dissatisfied"), MONDAY + hours(2))
        do(case, BODIES["sign_for"], MONDAY + hours(3))
        do(case, BODIES["suspend"], MONDAY + hours(4))
        do(case, BODIES["resume"], MONDAY + hours(30))
        hold(case, MONDAY + hours(31), promised("arrive", budget_seconds=5 * 3600))
        assert (clock(case, "arrive").cycle, clock(case, "arrive").started_at) == (2, MONDAY + hours(2))
        assert used(case, "arrive", MONDAY + hours(31)) == 3 * 3600

    def test_on_another_calendar_counts_the_same_time_there(self) -> None:
        """From 09:00 to 11:00 and from 15:00 to 16:00: two hours in the morning, one in the afternoon."""
        case = case_in(State.IN_PROGRESS, promises=without("resolve"))
        do(case, BODIES["suspend"], MONDAY + hours(2))
        do(case, BODIES["resume"], MONDAY + hours(6))
        at = MONDAY + hours(7)
        hold(case, at, promised("resolve", calendar="always"))
        assert used(case, "resolve", at) == 3 * 3600
        # Until Tuesday at 09:00, of working time: the rest of the day from 15:00 on, and half an hour.
        hold(case, MONDAY + days(1), without("resolve"))
        hold(case, MONDAY + days(1))
        assert used(case, "resolve", MONDAY + days(1)) == (2 + 2.5 + 0.5) * 3600

    def test_of_a_part_counts_from_its_involvement(self) -> None:
        quick = tuple(
            each.model_copy(update={"calendar": "always", "budget_seconds": 7200}) if each.name == "resolve" else each
            for each in PROMISES
        )
        case = case_in(State.IN_PROGRESS, promises=without("acknowledge", "resolve"))
        do(case, Involve(department="metering", task="Read the meter."), MONDAY + minutes(30))
        do(case, BODIES["request_approval"], MONDAY + minutes(35))
        do(case, BODIES["decide_approval"], MONDAY + minutes(60))
        hold(case, MONDAY + minutes(61), quick)
        made = {each.name: each for each in case.clocks if each.part}
        assert {name: each.elapsed(MONDAY + minutes(61), CALENDAR) for name, each in made.items()} == {
            "acknowledge": 360,
            "resolve": 360,
        }
        do(case, BODIES["sign_for"], MONDAY + minutes(62), OTHER_CREW)
        hold(case, MONDAY + minutes(63), without("acknowledge", "resolve"))
        hold(case, MONDAY + minutes(64), quick)
        again = [each for each in case.clocks if each.part and each.live]
        assert [(each.name, each.elapsed(MONDAY + minutes(64), CALENDAR)) for each in again] == [("resolve", 540)]

    def test_counts_from_the_first_dispatch_to_the_department(self) -> None:
        case = case_in(State.PENDING_REDISPATCH, promises=without("arrive"))
        do(case, BODIES["dispatch"], MONDAY + hours(3))
        hold(case, MONDAY + hours(3) + minutes(10))
        assert used(case, "arrive", MONDAY + hours(3) + minutes(10)) == 600
        do(case, Return(reason="Not ours."), MONDAY + hours(4))
        do(case, Dispatch(department="metering"), MONDAY + hours(5))
        hold(case, MONDAY + hours(5) + minutes(1), without("arrive"))
        hold(case, MONDAY + hours(5) + minutes(5))
        assert used(case, "arrive", MONDAY + hours(5) + minutes(5)) == 300

    def test_is_not_to_sign_for_what_was_signed_for_before_the_return(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=without("acknowledge"))
        do(case, Return(reason="Not ours."), MONDAY + minutes(1))
        do(case, RejectReturn(reason="It is."), MONDAY + minutes(2))
        hold(case, MONDAY + minutes(3))
        assert not [each for each in case.clocks if each.name == "acknowledge"]
        do(case, Return(reason="Not ours."), MONDAY + minutes(4))
        hold(case, MONDAY + minutes(5), without("acknowledge"))
        do(case, Dispatch(department="metering"), MONDAY + minutes(6))
        hold(case, MONDAY + minutes(7))
        assert clock(case, "acknowledge").due_at(CALENDAR) == MONDAY + minutes(16)

    def test_does_not_count_what_the_case_waited_for_an_incident(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=without("arrive"))
        do(case, LinkIncident(incident=INCIDENT), MONDAY + minutes(5))
        do(case, LinkIncident(incident=None), MONDAY + minutes(45))
        hold(case, MONDAY + minutes(50))
        assert used(case, "arrive", MONDAY + minutes(50)) == 600

    def test_to_follow_up_counts_from_the_last_try(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, promises=without("follow_up"))
        do(case, FollowUp(outcome="unreachable"), MONDAY + hours(3))
        hold(case, MONDAY + hours(4))
        assert clock(case, "follow_up").due_at(CALENDAR) == MONDAY + hours(27)
        do(case, FollowUp(outcome="unreachable"), MONDAY + hours(25))
        hold(case, MONDAY + hours(26), without("follow_up"))
        hold(case, MONDAY + hours(27))
        assert clock(case, "follow_up").due_at(CALENDAR) == MONDAY + hours(49)

    def test_to_follow_up_counts_from_the_reply_though_none_was_promised(self) -> None:
        """A cancelled promise to reply is no reply."""
        case = case_in(State.PENDING_REPLY, promises=without("follow_up"))
        hold(case, MONDAY + hours(1), without("follow_up", "reply"))
        do(case, BODIES["reply"], MONDAY + hours(2))
        hold(case, MONDAY + hours(3), without("reply"))
        assert clock(case, "follow_up").due_at(CALENDAR) == MONDAY + hours(26)

    def test_to_follow_up_counts_from_the_reply_of_its_own_cycle(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP, promises=without("follow_up"))
        do(case, FollowUp(outcome="dissatisfied"), MONDAY + hours(1))
        hold(case, MONDAY + hours(2), without("follow_up", "reply"))
        for place, action in enumerate(("sign_for", "complete", "reply")):
            do(case, BODIES[action], MONDAY + hours(3 + place))
        hold(case, MONDAY + hours(6), without("reply"))
        assert clock(case, "follow_up").due_at(CALENDAR) == MONDAY + hours(29)

    def test_has_the_days_of_an_extension(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=without("reply"))
        do(case, RequestExtension(working_days=3, reason="Parts."), MONDAY)
        do(case, DecideExtension(approved=True), MONDAY)
        hold(case, MONDAY + hours(1))
        assert clock(case, "reply").budget_seconds == 9 * WORKING_DAY

    def test_that_waits_begins_at_a_moment_that_has_passed_and_one_that_runs_goes_on(self) -> None:
        case = case_in(State.REGISTERED, promises=promised("resolve", starts="decision"))
        do(case, BODIES["dispatch"], MONDAY + hours(1))
        hold(case, MONDAY + hours(2), promised("resolve", starts="dispatch"))
        assert used(case, "resolve", MONDAY + hours(2)) == 3600
        hold(case, MONDAY + hours(2), promised("resolve", starts="decision"))
        assert used(case, "resolve", MONDAY + hours(3)) == 2 * 3600

    def test_of_a_missed_one_another_calendar_counts_nothing_again(self) -> None:
        """From 09:00 on Monday to 08:30 on Tuesday six and a half hours are worked, whatever is a holiday later on."""
        case = case_in(State.AWAITING_APPROVAL, promises=promised("reply", budget_seconds=3600))
        do(case, BODIES["comment"], MONDAY + days(1) - minutes(30))
        off = CALENDAR.model_copy(update={"off": (MONDAY.date(), *CALENDAR.off)})
        hold(case, MONDAY + days(1) - minutes(30), promised("reply", budget_seconds=3600), calendar=off)
        assert clock(case, "reply").missed_at == MONDAY + hours(1)
        assert used(case, "reply", MONDAY + days(1)) == 7 * 3600


def test_a_departments_clock_runs_on_if_a_case_leaves_an_undispatched_incident() -> None:
    case = case_in(State.REGISTERED, promises=promised("acknowledge", starts="registration"))
    do(case, LinkIncident(incident=INCIDENT), MONDAY + minutes(1))
    do(case, LinkIncident(incident=None), MONDAY + minutes(2))
    assert clock(case, "acknowledge").due_at(CALENDAR) == MONDAY + minutes(11)
