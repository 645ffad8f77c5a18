"""The assessment of one month: its steps in order, who may do what, what is refused and why, and its reminders."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.assessment import actions
from domain.assessment.actions import ASSESSMENT_ACTIONS, MOST_OBJECTIONS, DecideObjection, Inspect, Object
from domain.assessment.assessment import (
    ASSESSMENT_FINISH,
    ASSESSMENT_KINDS,
    COMPUTE,
    PUBLISH,
    Assessment,
    AssessmentOpening,
)
from domain.assessment.state import (
    AssessmentAction,
    AssessmentEvent,
    AssessmentKind,
    AssessmentState,
    Computation,
    Sampled,
)
from domain.catalogue.figures import Subject
from domain.kit.event import ActionBody, Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from tests.support.assessment import MONTH, UNTIL, at, month, opening, standard
from tests.support.build import ACTORS, ADMIN, AGENT, DISPATCHER, MANAGER, OWNER, SUPERVISOR

STANDARD = standard()
BEGUN = UNTIL + timedelta(minutes=20)
"""1 October, in the night; the holiday lasts until the 7th, and Saturday the 10th is worked."""
INSPECTED_BY = at(10, "17:30", month=10)
PUBLISHED = at(12, "08:30", month=10)
OBJECTED_BY = at(14, "17:30", month=10)
OBJECTED = at(13, "08:30", month=10)
DECIDED_BY = at(15, "17:30", month=10)
SECOND = timedelta(seconds=1)
ONE, OTHER = "2609010000014", "2609020000021"
SAMPLE = (Sampled(complaint=ONE, agent=OWNER.id), Sampled(complaint=OTHER, agent=SUPERVISOR.id))
FULL = {"greeting": 20, "understanding": 25, "record": 25, "handling": 30}
INSPECTION = Inspect(complaint=ONE, scores=FULL)
OBJECTION = Object(
    by=Subject.AGENT, subject=OWNER.id, figure="replied_in_time", complaint=ONE, reason="It was in time."
)
COMPANY = {"by": Subject.COMPANY, "subject": "company"}
DECISION = DecideObjection(objection=1, accepted=True, reason="The recording says so.")
SECOND_SUPERVISOR = Actor(id="Tan Li", role=Role.SUPERVISOR, department="customer_service")


def computation(serial: int = 1, as_of: datetime = BEGUN) -> Computation:
    return Computation(serial=serial, as_of=as_of, digest="0" * 64, entries=0, results=())


def do(of: Assessment, body: ActionBody, by: Actor, instant: datetime) -> AssessmentEvent:
    (event,) = of.apply(Command(actor=by, body=body), instant)
    return event


def take_step(of: Assessment, instant: datetime) -> AssessmentKind | None:
    """Compute as the workflow does, and return the step that it was for."""
    step = of.next_step(instant)
    of.note_computation(computation(of.version, instant), step, instant)
    return step


def drafted(sample: tuple[Sampled, ...] = SAMPLE) -> Assessment:
    """Return the month with its first figures and its sample."""
    made = month(standard=STANDARD)
    take_step(made, BEGUN)
    made.draw(sample, BEGUN)
    return made


def published(*objections: Object) -> Assessment:
    """Return the published month, to which an agent has objected."""
    made = drafted(())
    assert take_step(made, PUBLISHED) is PUBLISH
    for each in objections:
        do(made, each, AGENT, OBJECTED)
    return made


def final() -> Assessment:
    made = published()
    assert take_step(made, OBJECTED_BY) is ASSESSMENT_FINISH
    return made


def refused(of: Assessment, body: ActionBody, by: Actor, instant: datetime = OBJECTED) -> Refused:
    """Return the refusal that `apply` and `check` both raise; the month is left as it was."""
    before, command = of.model_dump_json(), Command[Any](actor=by, body=body)
    with pytest.raises(Refused) as checked:
        of.check(command, instant)
    with pytest.raises(Refused) as applied:
        of.apply(command, instant)
    assert vars(checked.value) == vars(applied.value)
    assert of.model_dump_json() == before
    return applied.value


class TestSteps:
    def test_a_month_is_computed_drawn_published_and_final_in_this_order(self) -> None:
        made = month(standard=STANDARD)
        assert (made.next_step(BEGUN), made.must_draw) == (None, False)
        assert take_step(made, BEGUN) is None
        assert made.must_draw
        assert made.next_step(INSPECTED_BY + SECOND) is None
        made.draw(SAMPLE, BEGUN)
        assert (made.must_draw, made.next_step(BEGUN)) == (False, None)
        assert take_step(made, INSPECTED_BY) is PUBLISH
        assert made.published_at == INSPECTED_BY
        assert take_step(made, OBJECTED_BY) is ASSESSMENT_FINISH
        assert (made.state, made.closed_at, made.over) == (AssessmentState.FINAL, OBJECTED_BY, True)
        assert made.next_step(OBJECTED_BY) is None
        assert made.next_deadline(OBJECTED_BY) is None

    def test_a_month_without_a_sample_is_published_at_once(self) -> None:
        made = month(standard=STANDARD.model_copy(update={"sample_per_agent": 0}))
        take_step(made, BEGUN)
        assert not made.must_draw
        assert take_step(made, BEGUN) is PUBLISH

    def test_an_empty_sample_is_not_waited_for(self) -> None:
        assert drafted(()).next_step(BEGUN) is PUBLISH

    def test_the_draft_is_published_when_the_last_case_is_inspected(self) -> None:
        made = drafted()
        do(made, INSPECTION, SUPERVISOR, BEGUN)
        assert made.next_step(BEGUN) is None
        do(made, INSPECTION.model_copy(update={"complaint": OTHER}), SECOND_SUPERVISOR, BEGUN)
        assert made.next_step(BEGUN) is PUBLISH

    def test_the_draft_is_published_when_the_time_for_inspections_ends(self) -> None:
        made = drafted()
        assert made.next_step(INSPECTED_BY - SECOND) is None
        assert made.next_step(INSPECTED_BY) is PUBLISH

    def test_the_month_is_final_when_the_time_for_objections_ends(self) -> None:
        made = published()
        assert made.next_step(OBJECTED_BY - SECOND) is None
        assert made.next_step(OBJECTED_BY) is ASSESSMENT_FINISH

    def test_a_late_decision_is_waited_for(self) -> None:
        made = published(OBJECTION)
        late = DECIDED_BY + timedelta(days=30)
        assert made.next_step(late) is None
        do(made, DECISION, SUPERVISOR, late)
        assert made.next_step(late) is ASSESSMENT_FINISH

    @pytest.mark.parametrize(
        ("step", "state"),
        [
            (None, AssessmentState.DRAFT),
            (PUBLISH, AssessmentState.OBJECTIONS),
            (ASSESSMENT_FINISH, AssessmentState.FINAL),
        ],
    )
    def test_a_computation_is_noted_as_the_step_that_it_was_for(
        self, step: AssessmentKind | None, state: AssessmentState
    ) -> None:
        """Also if the step would be another by now: the figures are those of its beginning."""
        made, figures = month(standard=STANDARD), computation(7)
        event = made.note_computation(figures, step, BEGUN)
        assert (event.action, event.to_state, made.state) == ((step or COMPUTE).name, state, state)
        assert made.computed == figures

    def test_events_are_numbered_and_written_as_they_are_read(self) -> None:
        made = published(OBJECTION)
        event = do(made, DECISION, SUPERVISOR, OBJECTED)
        assert (event.seq, made.version) == (6, 6)
        assert AssessmentEvent.model_validate_json(event.model_dump_json()) == event
        assert Assessment.model_validate_json(made.model_dump_json()) == made

    def test_a_cancellation_is_noted_and_changes_nothing_else(self) -> None:
        made = published()
        (event,) = made.note_cancellation("mistake", OBJECTED)
        assert (event.action, event.to_state) == ("cancellation_requested", AssessmentState.OBJECTIONS)
        assert made.next_step(OBJECTED_BY) is ASSESSMENT_FINISH


class TestTable:
    def test_every_action_is_in_it_with_an_example_that_its_body_accepts(self) -> None:
        assert [each for each in vars(actions).values() if isinstance(each, AssessmentAction)] == [*ASSESSMENT_ACTIONS]
        assert set(AssessmentEvent.DATA) == set(ASSESSMENT_KINDS)
        for row in ASSESSMENT_ACTIONS:
            assert row.body.model_validate_json(row.example.model_dump_json()) == row.example, row.name

    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
    def test_who_may_do_what_in_which_state(self, role: Role) -> None:
        staff = {Role.AGENT, Role.CREW, Role.DISPATCHER, Role.FOLLOW_UP, Role.SUPERVISOR, Role.MANAGER, Role.ADMIN}
        inspects, decides = role in {Role.SUPERVISOR, Role.ADMIN}, role in {Role.SUPERVISOR, Role.MANAGER, Role.ADMIN}
        offered = [of.available_actions(ACTORS[role]) for of in (drafted(), published(OBJECTION), final())]
        wanted = {"object": role in staff, "decide_objection": decides}
        assert offered == [
            ("inspect",) if inspects else (),
            tuple(name for name, mine in wanted.items() if mine),
            (),
        ]

    def test_a_wrong_role_is_told_those_that_may(self) -> None:
        refusal = refused(published(OBJECTION), DECISION, DISPATCHER)
        assert (refusal.code, refusal.accepted) == ("wrong_role", ("manager", "supervisor"))

    @pytest.mark.parametrize("body", [INSPECTION, OBJECTION, DECISION])
    @pytest.mark.parametrize("actor", [SUPERVISOR, ADMIN])
    def test_nothing_is_possible_once_the_month_is_final(self, body: ActionBody, actor: Actor) -> None:
        refusal = refused(final(), body, actor)
        assert (refusal.kind, refusal.code, refusal.accepted) == ("conflict", "out_of_turn", ())
        assert f"{MONTH} is final" in refusal.message

    def test_out_of_turn_names_what_is_possible_now(self) -> None:
        assert refused(drafted(), OBJECTION, AGENT, BEGUN).accepted == ()
        assert refused(published(), INSPECTION, SUPERVISOR).accepted == ("object", "decide_objection")


class TestInspections:
    def test_the_points_are_kept_for_the_agent(self) -> None:
        made = drafted()
        do(made, INSPECTION.model_copy(update={"scores": FULL | {"record": 0}}), SUPERVISOR, BEGUN)
        (kept,) = made.inspections
        assert (kept.complaint, kept.agent, kept.points) == (ONE, OWNER.id, 75)
        assert (kept.inspected_by, kept.inspected_at) == (SUPERVISOR.id, BEGUN)
        assert [each.complaint for each in made.uninspected] == [OTHER]

    def test_a_case_that_was_not_drawn_is_refused(self) -> None:
        refusal = refused(drafted(), INSPECTION.model_copy(update={"complaint": "2609030000035"}), SUPERVISOR)
        assert (refusal.code, refusal.accepted) == ("not_sampled", (ONE, OTHER))

    def test_a_second_inspection_is_refused(self) -> None:
        made = drafted()
        do(made, INSPECTION, SUPERVISOR, BEGUN)
        refusal = refused(made, INSPECTION, SECOND_SUPERVISOR)
        assert (refusal.code, refusal.accepted) == ("inspected_already", (OTHER,))

    def test_nobody_inspects_a_case_of_their_own(self) -> None:
        assert refused(drafted(), INSPECTION.model_copy(update={"complaint": OTHER}), SUPERVISOR).code == "own_case"

    @pytest.mark.parametrize(
        "scores",
        [{}, FULL | {"greeting": 21}, FULL | {"charm": 1}, {k: v for k, v in FULL.items() if k != "record"}],
        ids=["none", "too many points", "an unknown criterion", "a criterion is missing"],
    )
    def test_points_that_do_not_fit_the_form_are_refused_with_the_form(self, scores: dict[str, int]) -> None:
        refusal = refused(drafted(), INSPECTION.model_copy(update={"scores": scores}), SUPERVISOR)
        assert refusal.code == "wrong_form"
        assert refusal.accepted == tuple(f"{code}: 0 to {most}" for code, most in FULL.items())


class TestObjections:
    def test_an_objection_is_kept_with_the_time_to_decide_on_it(self) -> None:
        made = published()
        do(made, OBJECTION, AGENT, OBJECTED)
        (kept,) = made.undecided
        assert (kept.id, kept.raised_by, kept.due_at) == (1, AGENT.id, DECIDED_BY)

    def test_an_objection_is_late_from_the_very_end_of_the_time(self) -> None:
        made = published()
        assert refused(made, OBJECTION, AGENT, OBJECTED_BY).code == "objection_too_late"
        do(made, OBJECTION, AGENT, OBJECTED_BY - timedelta(microseconds=1))

    @pytest.mark.parametrize("accepted", [True, False])
    def test_the_same_objection_is_refused_unless_that_of_somebody_else_was_rejected(self, accepted: bool) -> None:
        made = published(OBJECTION)
        again = OBJECTION.model_copy(update={"reason": "Other words."})
        assert refused(made, again, OWNER).code == "objected_already"
        do(made, DECISION.model_copy(update={"accepted": accepted}), SUPERVISOR, OBJECTED)
        assert refused(made, again, AGENT).code == "objected_already"
        if accepted:
            assert refused(made, again, OWNER).code == "objected_already"
        else:
            do(made, again, OWNER, OBJECTED)

    def test_a_month_takes_only_so_many_objections(self) -> None:
        numbers = (f"26090100{place:05}" for place in range(MOST_OBJECTIONS + 1))
        *taken, last = (OBJECTION.model_copy(update={"complaint": number}) for number in numbers)
        assert refused(published(*taken), last, AGENT).code == "too_many_objections"

    @pytest.mark.parametrize(
        "other", [{"complaint": OTHER}, {"complaint": None}, {"figure": "urged"}, {"subject": "10024"}, {"by": "crew"}]
    )
    def test_an_objection_to_another_figure_case_or_subject_is_taken(self, other: dict[str, Any]) -> None:
        made = published(OBJECTION, OBJECTION.model_copy(update=other))
        assert [each.id for each in made.undecided] == [1, 2]

    def test_a_decision_is_kept_with_its_reason(self) -> None:
        made = published(OBJECTION)
        do(made, DECISION, SUPERVISOR, DECIDED_BY)
        (kept,) = made.objections
        assert (kept.accepted, kept.decided_by, kept.decided_at) == (True, SUPERVISOR.id, DECIDED_BY)
        assert kept.decision_reason == DECISION.reason
        assert made.limit_of("decision-1") is None

    def test_an_unknown_objection_is_refused_with_those_that_wait(self) -> None:
        refusal = refused(published(OBJECTION), DECISION.model_copy(update={"objection": 2}), SUPERVISOR)
        assert (refusal.code, refusal.accepted) == ("no_such_objection", ("1",))

    def test_a_decision_stands(self) -> None:
        made = published(OBJECTION)
        do(made, DECISION, SUPERVISOR, OBJECTED)
        refusal = refused(made, DECISION.model_copy(update={"accepted": False}), MANAGER)
        assert (refusal.code, refusal.accepted) == ("objection_decided", ())

    @pytest.mark.parametrize(
        ("objection", "party", "why"),
        [
            ({}, AGENT.model_copy(update={"role": Role.MANAGER}), "has raised the objection"),
            ({}, OWNER.model_copy(update={"role": Role.SUPERVISOR}), f"is the subject {OWNER.id}, or of it"),
            ({"by": "crew", "subject": SUPERVISOR.id}, SUPERVISOR, f"is the subject {SUPERVISOR.id}"),
            (
                {"by": Subject.DEPARTMENT, "subject": "customer_service", "complaint": None},
                SECOND_SUPERVISOR,
                "is the subject customer_service, or of it",
            ),
            (
                {"by": "company", "subject": "company", "parties": (SUPERVISOR.id,)},
                SUPERVISOR,
                "has a part in the case",
            ),
            (
                {"by": "company", "subject": "company", "parties": ("customer_service",)},
                SECOND_SUPERVISOR,
                "has a part in the case",
            ),
        ],
        ids=[
            "the author",
            "the agent",
            "a member of the crew",
            "a person of the department",
            "a person of the case",
            "a person of a department of the case",
        ],
    )
    def test_a_party_to_an_objection_does_not_decide(self, objection: dict[str, Any], party: Actor, why: str) -> None:
        made = published(Object.model_validate(OBJECTION.model_dump() | objection))
        refusal = refused(made, DECISION, party)
        assert (refusal.kind, refusal.code) == ("forbidden", "own_objection")
        assert why in refusal.message
        do(made, DECISION, ADMIN, OBJECTED)

    @pytest.mark.parametrize(
        "about",
        [{"complaint": ONE}, {"complaint": None}, {"complaint": None, **COMPANY}],
        ids=["of the case", "of the figure", "of the company"],
    )
    def test_who_gave_the_points_does_not_decide_on_quality(self, about: dict[str, Any]) -> None:
        made = drafted()
        do(made, INSPECTION, SUPERVISOR, BEGUN)
        take_step(made, INSPECTED_BY)
        do(made, OBJECTION.model_copy(update={"figure": "quality"} | about), AGENT, INSPECTED_BY)
        assert "has given points for it" in refused(made, DECISION, SUPERVISOR).message
        do(made, DECISION, SECOND_SUPERVISOR, OBJECTED)

    def test_who_inspected_a_case_decides_on_other_figures_and_cases(self) -> None:
        made = drafted()
        do(made, INSPECTION, SUPERVISOR, BEGUN)
        take_step(made, INSPECTED_BY)
        do(made, OBJECTION, AGENT, INSPECTED_BY)
        for change in ({"complaint": OTHER}, {"complaint": None, "subject": "10099"}):
            do(made, OBJECTION.model_copy(update={"figure": "quality"} | change), AGENT, INSPECTED_BY)
        for objection in (1, 2, 3):
            do(made, DECISION.model_copy(update={"objection": objection}), SUPERVISOR, OBJECTED)
        assert not made.undecided


def test_a_worker_reads_an_opening_with_a_key_that_came_later() -> None:
    """During an upgrade, a start may have been sent by a newer version."""
    assert AssessmentOpening.model_validate({**opening().model_dump(), "later": 1}) == opening()
