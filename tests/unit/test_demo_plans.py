"""The plans of the demo against the pure domain: each ends as it says it will, and together they leave nothing out."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from domain.case.actions import ACTIONS, COMMANDS
from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Intake, Registration
from domain.case.lifecycle import State
from domain.case.views import view_case
from domain.catalogue.catalogue import Catalogue
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from domain.shared.errors import Refused
from hotline.demo.check import differences, played_so_far
from hotline.demo.day import Call, District, Line, Pause, plan_day
from hotline.demo.people import Person, Staff
from hotline.demo.plans import PLANS
from hotline.demo.steps import Offer, Plan, Wake
from hotline.demo.stories import STORIES
from hotline.files.catalogue import load_catalogue

CATALOGUE = Path(__file__).parents[2] / "hotline" / "catalogues" / "demo.toml"
MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
STEP = timedelta(seconds=0.5)
LATER = timedelta(seconds=40)
ADMIN = Person("admin", Role.ADMIN)


@cache
def catalogue() -> Catalogue:
    return load_catalogue(CATALOGUE)


@cache
def offers() -> tuple[Offer, ...]:
    return tuple(
        Offer(
            code=service.code,
            name_zh=service.name_zh,
            group=service.group,
            department=service.department,
            answer_needs_follow_up=service.answer_needs_follow_up,
            budgets={promise.name: promise.budget_seconds for promise in catalogue().promises(service.code, None)},
            needs_approval=service.needs_approval,
        )
        for service in catalogue().services
    )


@cache
def districts() -> tuple[District, ...]:
    return tuple(District(district.code, district.name_zh) for district in catalogue().districts)


@cache
def day(seed: int = 1) -> tuple[Call, ...]:
    return plan_day(320, seed, offers(), districts())


@cache
def staff() -> Staff:
    return Staff(offer.department for offer in offers())


class Stage:
    """Plays one call against the pure domain, at a step every half second."""

    def __init__(self, call: Call, by: Person | None = None) -> None:
        self._call = call
        self._by = by
        self.now = MONDAY
        body = call.intake_of("test")
        registration = Registration(
            number="2603020000001",
            at=MONDAY,
            actor=self._actor(staff().named(call.owner)),
            owner=call.owner,
            intake=Intake.model_validate({key: body[key] for key in body.keys() - {"owner", "priority"}}),
            terms=catalogue().terms(body["service_code"], body["location"]["district"], MONDAY),
        )
        self.case, events = Case.register(registration)
        self.events: list[Event] = [*events]

    def play(self, plan: Plan) -> None:
        for line in self._call.lines(plan, staff()):
            self.now += STEP
            if isinstance(line, Pause):
                assert self.case.wake_at is not None
                self.now = max(self.now, self.case.wake_at)
                self.events += self.case.ring(self.now)
            else:
                self.events += self.case.apply(self._command(line), self.now)

    def wait(self) -> None:
        self.now += LATER
        self.events += self.case.ring(self.now)

    def shown(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The case and its timeline, as HTTP shows them."""
        return view_case(self.case, self.now).model_dump(mode="json"), [_item(event) for event in self.events]

    def _command(self, line: Line) -> Command[Any]:
        body = dict(line.body)
        if line.wakes_after is not None:
            body["wake_at"] = (MONDAY + timedelta(seconds=line.wakes_after)).isoformat()
        return Command(actor=self._actor(line.person), body=COMMANDS[line.action].body.model_validate(body))

    def _actor(self, person: Person) -> Actor:
        person = self._by or person
        return Actor(id=person.name, role=person.role, department=person.department)


def _item(event: Event) -> dict[str, Any]:
    shown = event.model_dump(mode="json", exclude={"from_state", "to_state"})
    return {
        **shown,
        "from": event.from_state,
        "to": event.to_state,
        "data": event.data.model_dump(mode="json", exclude={"terms"}),
    }


def _calls_by_plan() -> dict[str, Call]:
    return {call.plan.name: call for call in day()}


def every_plan() -> tuple[Plan, ...]:
    return (*PLANS, *(story.plan for story in STORIES))


@pytest.mark.parametrize("plan", every_plan(), ids=lambda plan: plan.name)
class TestPlan:
    @pytest.mark.parametrize("by", [ADMIN, None], ids=["administrator", "people"])
    def test_ends_as_planned_whoever_acts(self, plan: Plan, by: Person | None) -> None:
        """The administrator may play every part, and so may the people whose parts they are."""
        stage = Stage(_calls_by_plan()[plan.name], by)
        stage.play(plan)
        stage.wait()
        assert differences(plan, *stage.shown()) == []

    def test_ends_as_planned_in_every_service_that_suits_it(self, plan: Plan) -> None:
        for call in day():
            if call.plan.name == plan.name:
                stage = Stage(call)
                stage.play(plan)
                stage.wait()
                assert differences(plan, *stage.shown()) == []

    def test_is_known_again_at_every_step(self, plan: Plan) -> None:
        """A rerun finds out from the timeline alone how far the run before came."""
        call = _calls_by_plan()[plan.name]
        stage = Stage(call)
        stage.play(plan)
        _, timeline = stage.shown()
        done = -1
        for place, item in enumerate(timeline):
            done += item["actor"] != "system"
            assert played_so_far(plan, timeline[: place + 1]) == (plan, done)

    def test_what_comes_too_late_has_a_way_on(self, plan: Plan) -> None:
        """Both ways have the same steps until the one that time may refuse, and the other way ends as it says."""
        late = plan.if_late
        if late is None:
            return
        call = _calls_by_plan()[plan.name]
        assert _common(call.lines(plan, staff()), call.lines(late, staff())) == _place_of_refusal(call, plan)
        stage = Stage(call)
        stage.play(late)
        assert differences(plan, *stage.shown()) == []


def _common(one: Sequence[Line | Pause], other: Sequence[Line | Pause]) -> int:
    pairs = list(zip(one, other, strict=False))
    return next((place for place, (line, same) in enumerate(pairs) if line != same), len(pairs))


def _place_of_refusal(call: Call, plan: Plan) -> int:
    """Count the steps that are done when the first is refused, if an hour passes before it."""
    stage = Stage(call)
    for place, line in enumerate(call.lines(plan, staff())):
        assert isinstance(line, Line)
        stage.now += STEP
        command = stage._command(line)
        refusal = _refusal(stage.case, command, stage.now + timedelta(hours=1))
        if refusal:
            assert refusal in {"out_of_turn", "return_too_late", "extension_too_late"}
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
    "decide_credit": "the demo's catalogue, as the company's, owes nobody a credit",
    "revoke_links": "no caller of the demo has a link",
    "send_link": "the demo has no gateway for text messages",
    "link_incident": "the surge has a play of its own",
}
"""Actions that the plans leave out, with the reason."""


class TestPlans:
    def test_take_every_action_that_is_offered(self) -> None:
        taken = {step.action for plan in PLANS for step in plan.steps} | {"register"}
        wanted = {row.name for row in ACTIONS} - {*NOT_PLAYED}
        missing = wanted - taken
        assert taken == wanted, f"play {missing} in hotline/demo/, or say in NOT_PLAYED why the demo does without"

    def test_end_or_rest_in_every_state(self) -> None:
        assert {plan.state for plan in PLANS} == set(State)

    def test_set_every_flag_that_people_set(self) -> None:
        flags = {flag for plan in PLANS for flag in plan.flags}
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
        assert any(isinstance(move, Wake) for plan in PLANS for move in plan.moves)


class TestDay:
    def test_is_the_same_for_the_same_seed(self) -> None:
        again = plan_day(320, 1, offers(), districts())
        assert _written(again) == _written(day())
        assert _written(plan_day(320, 2, offers(), districts())) != _written(day())

    @pytest.mark.parametrize("cases", [300, 320, 777])
    def test_has_every_plan_service_and_district(self, cases: int) -> None:
        calls = plan_day(cases, 5, offers(), districts())
        assert len(calls) == cases
        assert [call.index for call in calls] == list(range(cases))
        assert {call.plan.name for call in calls} == {plan.name for plan in every_plan()}
        assert {call.offer.code for call in calls} == {offer.code for offer in offers()}
        assert {call.intake["location"]["district"] for call in calls} == {district.code for district in districts()}

    def test_tells_both_stories_in_their_own_place(self) -> None:
        for call, story in zip(day(), STORIES, strict=False):
            assert (call.plan, call.offer.code) == (story.plan, story.service_code)
            assert call.intake["location"]["district"] == story.district == "west"

    def test_plays_with_a_catalogue_that_has_nothing_of_the_demo(self) -> None:
        """Real budgets are too long to be missed while the demo waits: those plans are left out, not failed."""
        slow = Offer("pipes", "管", "repair", "works", answer_needs_follow_up=True, budgets={"arrive": 7200.0})
        calls = plan_day(300, 1, [slow], [District("here", "本地")])
        assert len(calls) == 300
        assert not any(call.plan.missed for call in calls)

    @pytest.mark.parametrize(("cases", "few"), [(299, offers()), (300, ())])
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
        stage.wait()
        return call.plan, *stage.shown()

    def test_a_doubled_action(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        dispatch = next(item for item in timeline if item["action"] == "dispatch")
        doubled = [*timeline, {**dispatch, "seq": len(timeline) + 1}]
        found = differences(plan, complaint | {"version": len(doubled)}, doubled)
        assert any("register → dispatch → dispatch" in text for text in found)

    def test_a_missing_event(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        assert any(text.startswith("sequence") for text in differences(plan, complaint, timeline[:-1]))

    def test_a_rung_that_rang_twice(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        again = [*timeline, {**timeline[-1], "seq": len(timeline) + 1}]
        found = differences(plan, complaint | {"version": len(again)}, again)
        assert any("rang 2 times" in text for text in found)

    def test_a_notice_that_goes_out_twice_while_one_alone_is_a_matter_of_time(
        self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        plan, complaint, timeline = shown
        notice = timeline[-1] | {"seq": len(timeline) + 1, "action": "notice", "data": {}}
        late = complaint | {"version": len(timeline) + 1, "flags": [*complaint["flags"], "noticed"]}
        assert differences(plan, late, [*timeline, notice]) == []
        twice = [*timeline, notice, notice | {"seq": len(timeline) + 2}]
        assert differences(plan, late | {"version": len(twice)}, twice) == ["notice went out 2 times in cycle 1"]

    def test_a_miss_that_did_not_ring(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        quiet = [item for item in timeline if item["action"] != "escalate"]
        found = differences(plan, complaint | {"version": len(quiet)}, quiet)
        assert any("rang 0 times" in text for text in found)

    def test_another_state_cycle_and_flag(self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]) -> None:
        plan, complaint, timeline = shown
        found = differences(plan, complaint | {"state": "closed", "cycle": 2, "flags": ["urged"]}, timeline)
        assert {text.split()[0] for text in found} >= {"state", "cycle", "flags"}

    def test_none_where_the_caller_has_called_before(
        self, shown: tuple[Plan, dict[str, Any], list[dict[str, Any]]]
    ) -> None:
        plan, complaint, timeline = shown
        again = [*complaint["flags"], "possible_duplicate", "repeat_caller"]
        assert differences(plan, complaint | {"flags": again}, timeline) == []
