"""The plans of the demo against the pure domain: each ends as it says it will, and together they leave nothing out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from demo.calls import LEAST_CASES, Call
from demo.day import DAY_PLANS, REGISTRY, STORIES, incident_of, plan_day
from demo.people import Person
from demo.plans import WOKEN, District, Offer, Plan, Step, Wait, plan_of
from demo.play import differences
from domain.case.actions import ACTIONS
from domain.case.actions.follow_up import FollowUp
from domain.case.case import Case
from domain.case.lifecycle import State
from domain.case.progress import Satisfaction
from domain.kit.event import Command
from domain.shared.actors import Role
from domain.shared.errors import Refused
from hotline.cli.imports import load_customers
from tests.support.demo import INCIDENT, STEP, Stage, catalogue, day, districts, offers, staff

LATER = timedelta(seconds=40)
AN_HOUR = timedelta(hours=1)
ADMIN = Person("admin", Role.ADMIN)
PLAY = {"incident": INCIDENT, "wake_at": "2026-03-02T02:00:09Z"}


def _calls_by_plan() -> dict[str, Call]:
    return {call.plan.name: call for call in day()}


def _findings(calls: Sequence[Call]) -> list[str]:
    return [code for body in _bodies(calls) for code in body.get("findings", ())]


def _bodies(calls: Sequence[Call], action: str = "complete") -> list[dict[str, Any]]:
    steps = [(call, step) for call in calls for step in call.plan.steps if step.action == action]
    return [call.request(step, staff(), {"owner": call.owner, "department": None}, **PLAY)[1] for call, step in steps]


def every_plan() -> tuple[Plan, ...]:
    return (*DAY_PLANS, *(plan_of(story["plan"]) for story in STORIES))


@pytest.mark.parametrize("plan", every_plan(), ids=lambda plan: plan.name)
class TestPlan:
    @pytest.mark.parametrize("by", [ADMIN, None], ids=["administrator", "people"])
    def test_ends_as_planned_whoever_acts(self, plan: Plan, by: Person | None) -> None:
        """The administrator may play every part, and so may the people whose parts they are."""
        stage = Stage(_calls_by_plan()[plan.name], by)
        stage.play(plan)
        stage.wait(LATER)
        assert differences(plan, *stage.shown(), INCIDENT) == []

    def test_ends_as_planned_in_every_service_that_suits_it(self, plan: Plan) -> None:
        for call in day():
            if call.plan.name == plan.name:
                stage = Stage(call)
                stage.play(plan)
                stage.wait(LATER)
                assert differences(plan, *stage.shown(), INCIDENT) == []

    def test_what_comes_too_late_has_a_way_on(self, plan: Plan) -> None:
        """Both ways have the same steps until the one that time may refuse, and the other way ends as it says."""
        late = plan.if_late
        if late is None:
            return
        call = _calls_by_plan()[plan.name]
        assert _common(plan.moves, late.moves) == _place_of_refusal(call, plan)
        stage = Stage(call)
        stage.play(late)
        assert differences(plan, *stage.shown(), INCIDENT) == []


def _common(one: Sequence[Step | Wait], other: Sequence[Step | Wait]) -> int:
    pairs = list(zip(one, other, strict=False))
    return next((place for place, (move, same) in enumerate(pairs) if move != same), len(pairs))


def _place_of_refusal(call: Call, plan: Plan) -> int:
    """Count the steps that are done when the first is refused, if an hour passes before it."""
    stage = Stage(call)
    for place, move in enumerate(plan.moves):
        stage.now += STEP
        if isinstance(move, Wait):
            stage.pause(move)
            continue
        command = stage.command(move)
        refusal = _refusal(stage.case, command, stage.now + timedelta(hours=1))
        if refusal:
            assert refusal in {"out_of_turn", "return_too_late", "extension_too_late", "wake_at_past"}
            return place
        stage.case.apply(command, stage.now)
    raise AssertionError(f"{plan.name}: time refuses none of its steps")


def _refusal(case: Case, command: Command[Any], at: datetime) -> str | None:
    try:
        case.check(command, at)
    except Refused as refused:
        return refused.code
    return None


NOT_PLAYED = {
    "revoke_links": "no caller of the demo has a link",
    "send_link": "the demo has no gateway for text messages",
    "subscribe": "no caller of the demo has unsubscribed",
    "unsubscribe": "no caller of the demo has a link",
}
"""Actions that the plans leave out, with the reason."""


class TestPlans:
    def test_take_every_action_that_is_offered(self) -> None:
        taken = {step.action for plan in DAY_PLANS for step in plan.steps} | {"register"}
        wanted = {row.name for row in ACTIONS} - {*NOT_PLAYED}
        missing = wanted - taken
        assert taken == wanted, f"play {missing} in demo/, or say in NOT_PLAYED why the demo does without"

    def test_end_or_rest_in_every_state(self) -> None:
        assert {plan.state for plan in DAY_PLANS} == set(State)

    def test_set_every_flag_that_people_set(self) -> None:
        flags = {flag for plan in DAY_PLANS for flag in plan.flags}
        assert flags == {
            "approval_rejected",
            "approved",
            "extended",
            "reopened",
            "reworked",
            "supervised",
            "unreachable",
            "urged",
        }

    def test_have_names_of_their_own(self) -> None:
        assert max(Counter(plan.name for plan in every_plan()).values()) == 1

    def test_wake_one_case_by_its_date(self) -> None:
        assert any(isinstance(move, Wait) and move.until == WOKEN for plan in DAY_PLANS for move in plan.moves)

    def test_leave_cases_at_risk_for_an_hour(self) -> None:
        calls = [call for call in day() if call.plan.name == "left_at_risk"]
        assert len(calls) > 1, "one that time has overtaken must not leave the saved view empty"
        for call in calls:
            stage = Stage(call)
            stage.play(call.plan)
            stage.wait(AN_HOUR)
            assert stage.case.sla == "at_risk"

    @pytest.mark.parametrize(("plan", "waiting"), [("left_with_credit", True), ("credited", False)])
    def test_leave_a_credit_to_be_approved_and_approve_another(self, plan: str, *, waiting: bool) -> None:
        stage = Stage(_calls_by_plan()[plan])
        stage.play(_calls_by_plan()[plan].plan)
        stage.wait(AN_HOUR)
        assert (len(stage.case.credits), "credit_waits" in stage.case.flags) == (1, waiting)

    def test_leave_a_late_case_with_a_notice(self) -> None:
        stage = Stage(_calls_by_plan()["left_without_reply"])
        stage.play(_calls_by_plan()["left_without_reply"].plan)
        stage.wait(timedelta(minutes=1))
        assert "noticed" in stage.case.flags

    def test_leave_an_emergency(self) -> None:
        assert _calls_by_plan()["left_emergency"].offer.priority == "P1"


class TestDay:
    def test_is_the_same_for_the_same_seed(self) -> None:
        again = plan_day(320, 1, offers(), districts())
        assert _written(again) == _written(day())
        assert _written(plan_day(320, 2, offers(), districts())) != _written(day())

    @pytest.mark.parametrize("cases", [LEAST_CASES, 320, 777])
    def test_has_every_plan_service_and_district(self, cases: int) -> None:
        calls = plan_day(cases, 5, offers(), districts())
        assert len(calls) == cases
        assert [call.index for call in calls] == list(range(cases))
        assert {call.plan.name for call in calls} == {plan.name for plan in every_plan()}
        assert {call.offer.code for call in calls} == {offer.code for offer in offers()}
        assert {call.intake["location"]["district"] for call in calls} == {district.code for district in districts()}

    def test_has_every_step_of_satisfaction_and_callers_who_are_not_reached(self) -> None:
        answers = [FollowUp.model_validate(body) for body in _bodies(day(), "follow_up")]
        assert {body.satisfaction for body in answers} == {None, *Satisfaction}
        assert {body.contacted for body in answers} == {True, False}
        assert {body.solved for body in answers} == {True, False, None}

    def test_tells_both_stories_in_their_own_place(self) -> None:
        for call, story in zip(day(), STORIES[:2], strict=False):
            assert (call.plan, call.offer.code) == (plan_of(story["plan"]), story["service_code"])
            assert call.intake["location"]["district"] == story["district"] == "west"

    def test_states_every_finding_of_the_catalogue_and_no_other(self) -> None:
        assert set(_findings(day())) == {finding.code for finding in catalogue().findings}
        without = [replace(offer, findings=frozenset()) for offer in offers()]
        assert _findings(plan_day(320, 1, without, districts())) == []

    def test_has_no_call_that_the_service_would_link_by_itself(self) -> None:
        incident = incident_of(offers(), districts())
        scope = (incident["services"], incident["districts"])
        for seed in range(5):
            calls = day(seed)
            assert all(([call.offer.code], [call.intake["location"]["district"]]) != scope for call in calls)
            assert any(call.plan.incident for call in calls)

    def test_links_nothing_where_there_is_one_district(self) -> None:
        assert not any(call.plan.incident for call in plan_day(300, 1, offers(), districts()[:1]))

    def test_has_the_hardship_households_of_the_registry(self) -> None:
        """One of them calls twice about one matter, while the first case is open."""
        known = {customer.phone: customer for customer in load_customers(REGISTRY, "utf-8", catalogue())}
        calls = [call for call in day() if call.intake_of("run")["caller"]["phone"] in known]
        assert {call.intake["caller"]["name"] for call in calls} == {customer.name for customer in known.values()}
        assert all(customer.hardship for customer in known.values())
        first, again = (call for call in calls if call not in day()[:2])
        assert (first.intake["caller"], first.offer) == (again.intake["caller"], again.offer)
        assert first.starts < again.starts

    def test_plays_with_a_catalogue_that_has_nothing_of_the_demo(self) -> None:
        """Real budgets are too long to be missed while the demo waits: those plans are left out, not failed."""
        slow = Offer("pipes", "管", "repair", "works", answer_needs_follow_up=True, budgets={"arrive": 7200.0})
        calls = plan_day(300, 1, [slow], [District("here", "本地")])
        assert len(calls) == 300
        assert not any(call.plan.missed for call in calls)

    @pytest.mark.parametrize(("cases", "few"), [(LEAST_CASES - 1, offers()), (LEAST_CASES, ())])
    def test_refuses_what_is_no_day(self, cases: int, few: Sequence[Offer]) -> None:
        with pytest.raises(ValueError, match="at least"):
            plan_day(cases, 1, few, districts())


def _written(calls: Sequence[Call]) -> list[object]:
    return [(call.starts, call.plan.name, call.owner, call.intake) for call in calls]


class TestDifferences:
    """Differences that would be seen if something had gone wrong."""

    @pytest.fixture
    def shown(self) -> tuple[Plan, dict[str, Any], list[dict[str, Any]]]:
        call = _calls_by_plan()["left_unsigned"]
        stage = Stage(call)
        stage.play(call.plan)
        stage.wait(LATER)
        return call.plan, *stage.shown()

    def test_a_doubled_action(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        dispatch = next(item for item in timeline if item["action"] == "dispatch")
        doubled = [*timeline, {**dispatch, "seq": len(timeline) + 1}]
        found = differences(plan, complaint | {"version": len(doubled)}, doubled, INCIDENT)
        assert any("register → dispatch → dispatch" in text for text in found)

    def test_a_missing_event(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        assert any(text.startswith("sequence") for text in differences(plan, complaint, timeline[:-1], INCIDENT))

    def test_an_escalation_that_happened_twice(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        again = [*timeline, {**timeline[-1], "seq": len(timeline) + 1}]
        found = differences(plan, complaint | {"version": len(again)}, again, INCIDENT)
        assert any(text.startswith("escalate came 2 times") for text in found)

    def test_a_notice_that_goes_out_twice_while_one_alone_is_a_matter_of_time(
        self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        plan, complaint, timeline = shown
        notice = timeline[-1] | {"seq": len(timeline) + 1, "action": "notice", "data": {}}
        late = complaint | {"version": len(timeline) + 1, "flags": [*complaint["flags"], "noticed"]}
        assert differences(plan, late, [*timeline, notice], INCIDENT) == []
        twice = [*timeline, notice, notice | {"seq": len(timeline) + 2}]
        assert differences(plan, late | {"version": len(twice)}, twice, INCIDENT) == [
            "notice came 2 times: cycle, clock, % [1, None, None]"
        ]

    def test_a_miss_that_did_not_ring(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        quiet = [item for item in timeline if item["action"] != "escalate"]
        found = differences(plan, complaint | {"version": len(quiet)}, quiet, INCIDENT)
        assert any("rang 0 times" in text for text in found)

    def test_another_state_cycle_and_flag(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        found = differences(plan, complaint | {"state": "closed", "cycle": 2, "flags": ["urged"]}, timeline, INCIDENT)
        assert {text.split()[0] for text in found} >= {"state", "cycle", "flags"}

    def test_none_where_the_caller_has_called_before(
        self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        plan, complaint, timeline = shown
        again = [*complaint["flags"], "possible_duplicate", "repeat_caller"]
        assert differences(plan, complaint | {"flags": again}, timeline, INCIDENT) == []
