"""One cause behind many calls: the table as agreed, what is refused and why, and what each event leaves."""

import re
from typing import Any

import pytest
from pydantic import ValidationError
from stdnum import verhoeff

from domain.incident import actions
from domain.incident.actions import (
    INCIDENT_ACTIONS,
    INCIDENT_COMMANDS,
    INCIDENT_TABLE,
    Confirm,
    Dismiss,
    DispatchIncident,
    Inform,
    Merge,
    Resolve,
    SignForIncident,
)
from domain.incident.incident import INCIDENT_KINDS, Finished, Incident, MergeFailed
from domain.incident.state import (
    ALL_CALLERS,
    ENDS,
    LINKABLE,
    LINKS_NEW_CASES,
    Around,
    CasePlace,
    Circle,
    IncidentAction,
    IncidentEvent,
    IncidentState,
    Scope,
    sampled,
)
from domain.kit.event import ActionBody, Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import ANOTHER_INCIDENT, Refused
from domain.shared.numbers import incident_number_of, local_day
from tests.support.build import (
    ACTORS,
    ADMIN,
    CREW,
    DISPATCHER,
    INCIDENT,
    MONDAY,
    OTHER_CREW,
    OTHER_INCIDENT,
    SUPERVISOR,
    THEN,
    hours,
)
from tests.support.incidents import BODIES, ROAD, WEST, do, incident_in, opening

# action, Chinese, from, to, roles
BY_HAND = (
    ("declare", "上报", "", "confirmed", "dispatcher supervisor"),
    ("confirm", "确认", "suspected", "confirmed", "dispatcher supervisor"),
    ("dismiss", "排除", "suspected confirmed", "dismissing", "dispatcher supervisor"),
    ("merge", "并入", "suspected confirmed dispatched in_progress", "merging", "dispatcher supervisor"),
    ("dispatch", "派单", "confirmed dispatched in_progress", "dispatched", "dispatcher supervisor"),
    ("sign_for", "签收", "dispatched", "in_progress", "crew"),
    ("inform", "通报进展", "confirmed dispatched in_progress", "", "dispatcher supervisor"),
    ("resolve", "解决", "confirmed dispatched in_progress", "settling", "dispatcher supervisor crew"),
)
AGREED = {action: (set(sources.split()), target, set(roles.split())) for action, _, sources, target, roles in BY_HAND}


def refused(incident: Incident, body: ActionBody, actor: Actor = DISPATCHER) -> Refused:
    """Return the refusal that `apply` and `check` both raise; the incident is left as it was."""
    before = incident.model_dump_json()
    with pytest.raises(Refused) as checked:
        incident.check(Command(actor=actor, body=body), THEN)
    with pytest.raises(Refused) as applied:
        do(incident, body, actor)
    assert vars(checked.value) == vars(applied.value)
    assert incident.model_dump_json() == before
    return applied.value


class TestTable:
    def test_is_the_one_that_was_agreed(self) -> None:
        found = [
            (row.name, row.zh, {*map(str, row.sources)}, " ".join(row.targets), {*map(str, row.roles)})
            for row in INCIDENT_ACTIONS
        ]
        assert found == [(a, zh, set(s.split()), to, set(roles.split())) for a, zh, s, to, roles in BY_HAND]

    def test_every_action_is_in_it_once_with_an_example_that_its_body_accepts(self) -> None:
        assert [row.name for row in INCIDENT_ACTIONS] == [*INCIDENT_TABLE]
        assert {*INCIDENT_TABLE} - {*INCIDENT_COMMANDS} == {"declare"}
        assert len({row.body for row in INCIDENT_ACTIONS}) == len(INCIDENT_ACTIONS)
        for row in INCIDENT_ACTIONS:
            assert row.body.model_validate_json(row.example.model_dump_json()) == row.example, row.name

    def test_every_action_and_automatic_event_is_in_a_list(self) -> None:
        assert [each for each in vars(actions).values() if isinstance(each, IncidentAction)] == [*INCIDENT_ACTIONS]
        assert set(IncidentEvent.DATA) == set(INCIDENT_KINDS)

    def test_every_state_has_a_chinese_name_of_its_own(self) -> None:
        assert len({state.zh for state in IncidentState}) == len(IncidentState)

    def test_new_cases_are_taken_until_it_ends_and_a_suspicion_takes_them_by_hand_alone(self) -> None:
        assert {"confirmed", "dispatched", "in_progress"} == LINKS_NEW_CASES
        assert {"suspected"} == LINKABLE - LINKS_NEW_CASES
        assert not LINKABLE & {*ENDS, *ENDS.values()}

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("state", ROAD)
    def test_who_may_do_what_and_who_is_refused(self, state: IncidentState, role: Role) -> None:
        actor = ACTORS[role]
        offered = incident_in(state).available_actions(actor)
        for action, body in BODIES.items():
            incident = incident_in(state)
            incident.department = "repair" if incident.department or role is Role.CREW else None
            sources, target, roles = AGREED[action]
            mine = role is Role.ADMIN or role.value in roles
            if mine and state.value in sources:
                assert do(incident, body, actor).to_state == (target or state)
                assert action in offered or role is Role.CREW
                continue
            refusal = refused(incident, body, actor)
            if mine:
                assert (refusal.kind, refusal.code) == ("conflict", "out_of_turn")
                assert state.value in refusal.message
                assert action not in offered
            else:
                assert (refusal.kind, refusal.code) == ("forbidden", "wrong_role")
                assert set(refusal.accepted) == roles

    def test_out_of_turn_names_what_would_be_accepted(self) -> None:
        assert refused(incident_in(IncidentState.SUSPECTED), Inform(message="x")).accepted == (
            "confirm",
            "dismiss",
            "merge",
        )
        assert refused(incident_in(IncidentState.SETTLING), Confirm()).accepted == ()


class TestPeople:
    def test_a_crew_acts_on_what_its_department_has(self) -> None:
        incident = incident_in(IncidentState.DISPATCHED)
        refusal = refused(incident, SignForIncident(), OTHER_CREW)
        assert (refusal.kind, refusal.code, refusal.accepted) == ("forbidden", "other_department", ("repair",))
        assert "repair" in refusal.message
        assert "metering" in refusal.message
        assert "sign_for" in incident.available_actions(CREW)

    def test_a_crew_without_a_department_acts_everywhere(self) -> None:
        incident = incident_in(IncidentState.DISPATCHED)
        do(incident, SignForIncident(), actor=Actor(id="Ma Li", role=Role.CREW))
        assert (incident.state, incident.assignee) == (IncidentState.IN_PROGRESS, "Ma Li")
        assert incident.available_actions(OTHER_CREW) == ()

    def test_the_signer_is_the_assignee_unless_another_is_named(self) -> None:
        signed = [incident_in(IncidentState.DISPATCHED) for _ in range(3)]
        do(signed[0], SignForIncident(), CREW)
        do(signed[1], SignForIncident(assignee="Liang Wei"), CREW)
        do(signed[2], DispatchIncident(department="repair", assignee="Ou Yang"))
        do(signed[2], SignForIncident(), CREW)
        assert [incident.assignee for incident in signed] == [CREW.id, "Liang Wei", CREW.id]

    def test_another_dispatch_takes_it_from_the_department_that_had_it(self) -> None:
        incident = incident_in(IncidentState.IN_PROGRESS)
        do(incident, DispatchIncident(department="network"))
        assert (incident.state, incident.department, incident.assignee) == ("dispatched", "network", None)


class TestLife:
    def test_the_system_suspects_and_people_declare(self) -> None:
        suspected, warned = Incident.open(opening(calls=11))
        declared, told = Incident.open(opening(DISPATCHER))
        assert (suspected.state, warned.action, warned.role) == ("suspected", "suspect", "system")
        assert (declared.state, told.action, told.actor) == ("confirmed", "declare", DISPATCHER.id)
        assert warned.data.model_dump()["calls"] == 11
        assert (suspected.version, warned.seq, warned.from_state) == (1, 1, None)
        assert suspected.follow_up_percent == ALL_CALLERS

    def test_confirming_names_it_and_widens_it_but_never_narrows(self) -> None:
        incident = incident_in(IncidentState.SUSPECTED)
        do(incident, Confirm(title="咸潮", districts=("south", "west"), expected_at=THEN + hours(3)))
        assert (incident.title, incident.expected_at) == ("咸潮", THEN + hours(3))
        assert incident.scope == Scope(services=("no_water",), districts=("west", "south"))

    def test_confirming_without_words_leaves_title_and_scope(self) -> None:
        incident = incident_in(IncidentState.CONFIRMED)
        assert (incident.title, incident.scope) == ("停水 no water", WEST)

    def test_news_stand_on_it_and_move_the_hour(self) -> None:
        incident = incident_in(IncidentState.CONFIRMED)
        do(incident, Inform(message="阀门已关", message_en="It is shut off.", expected_at=THEN + hours(2)))
        english = [incident.news_en]
        do(incident, Inform(message="正在焊接"))
        english.append(incident.news_en)
        assert (incident.news, incident.expected_at) == ("正在焊接", THEN + hours(2))
        assert english == ["It is shut off.", None]
        assert incident.state is IncidentState.CONFIRMED

    def test_each_end_comes_when_its_cases_are_seen_to(self) -> None:
        for before, after in ENDS.items():
            incident = incident_in(before)
            assert (incident.end, incident.over, incident.closed_at) == (after, False, None)
            event = incident.finish(THEN, {"settled": 3})
            assert (event.action, event.to_state, event.data) == ("finish", after, Finished(settled=3))
            assert (incident.end, incident.over, incident.closed_at) == (after, True, THEN)
            assert incident.available_actions(ADMIN) == ()
            incident.note_cancellation("a slip", THEN + hours(1))
            assert incident.closed_at == THEN
        assert incident_in(IncidentState.CONFIRMED).end is None

    def test_resolving_keeps_the_words_for_its_cases(self) -> None:
        incident = incident_in(IncidentState.SETTLING)
        assert (incident.result, incident.reply) == ("The main was replaced.", "Water is back.")

    @pytest.mark.parametrize("before", sorted(LINKABLE))
    def test_a_merger_that_fails_puts_it_back_where_it_was(self, before: IncidentState) -> None:
        incident = incident_in(before)
        do(incident, Merge(into=OTHER_INCIDENT, reason="Same main."))
        assert (incident.state, incident.into) == ("merging", OTHER_INCIDENT)
        event = incident.fail_merge(THEN)
        assert (event.action, event.to_state, event.data) == (
            "merge_failed",
            before,
            MergeFailed(into=OTHER_INCIDENT),
        )
        assert (incident.state, incident.into, incident.state_before_merge) == (before, None, None)

    def test_it_is_not_merged_into_itself(self) -> None:
        refusal = refused(incident_in(IncidentState.CONFIRMED), Merge(into=INCIDENT))
        assert (refusal.kind, refusal.code, refusal.accepted) == ("invalid", "same_incident", (ANOTHER_INCIDENT,))

    def test_another_that_is_merged_into_it_widens_it(self) -> None:
        incident = incident_in(IncidentState.IN_PROGRESS)
        merged = OTHER_INCIDENT, Scope(services=("no_water",), districts=("west", "torch")), THEN
        [event] = incident.absorb(*merged)
        assert incident.absorb(*merged) == ()
        assert (event.action, event.role, event.data.model_dump()["incident"]) == ("absorb", "system", OTHER_INCIDENT)
        assert incident.scope == Scope(services=("no_water",), districts=("west", "torch"))
        assert incident.state is IncidentState.IN_PROGRESS

    def test_it_is_the_same_after_a_journey_through_json(self) -> None:
        incident = incident_in(IncidentState.IN_PROGRESS)
        do(incident, Inform(message="x", expected_at=THEN + hours(9)), SUPERVISOR)
        do(incident, Merge(into=OTHER_INCIDENT), ADMIN)
        assert Incident.model_validate_json(incident.model_dump_json(exclude_unset=True)) == incident
        assert incident.version == 6


class TestScope:
    @pytest.mark.parametrize(
        ("service", "district", "covered"),
        [("no_water", "west", True), ("no_water", "south", False), ("leak", "west", False), ("no_water", None, False)],
    )
    def test_covers_its_services_from_its_districts(self, service: str, district: str | None, covered: bool) -> None:
        assert WEST.covers(service, CasePlace(district)) is covered

    def test_two_become_one_without_repeating_themselves(self) -> None:
        other = Scope(services=("leak", "no_water"), districts=("west",))
        assert WEST.joined(other) == Scope(services=("no_water", "leak"), districts=("west",))

    def test_a_circle_takes_what_is_inside_and_nothing_without_coordinates(self) -> None:
        scope = Scope(services=("leak",), circle=CIRCLE)
        near, far, nowhere = CasePlace(lat=22.519, lng=113.39), CasePlace(lat=22.55, lng=113.39), CasePlace("west")
        assert [scope.covers("leak", place) for place in (near, far, nowhere)] == [True, False, False]

    def test_streets_are_words_of_the_address(self) -> None:
        scope = Scope(services=("leak",), districts=("west",), streets=("Lotus Road", "莲塘东路"))
        inside = [
            CasePlace("west", "莲塘东路18号"),
            CasePlace("west", "7 LOTUS ROAD"),
            CasePlace(None, "莲塘东路 2 号"),
        ]
        outside = [CasePlace("west", "中山一路 2 号"), CasePlace("south", "莲塘东路18号"), CasePlace("west")]
        assert all(scope.covers("leak", place) for place in inside)
        assert not any(scope.covers("leak", place) for place in outside)

    def test_of_two_with_other_services_and_other_districts_cover_what_either_covered(self) -> None:
        """Neither covers leaks in the West. One that is part of the other adds nothing."""
        leaks = Scope(services=("leak",), districts=("south",))
        both = WEST.joined(leaks)
        assert [both.covers(service, CasePlace("west")) for service in ("no_water", "leak")] == [True, False]
        assert [both.covers(service, CasePlace("south")) for service in ("no_water", "leak")] == [False, True]
        tide = Scope(services=("no_water", "leak"), districts=("west", "south"))
        assert tide.joined(leaks) == tide
        assert {*leaks.joined(tide).services} == {*tide.services}
        assert leaks.joined(tide).further == ()

    @pytest.mark.parametrize("street", ["1234", "45", "13812345678", "138****5678", "电话1", "１２３４"])
    def test_streets_find_no_digit_of_a_mobile_number_in_an_address(self, street: str) -> None:
        """Else a dispatcher, who sees such numbers masked, would find the hidden digits by trying them."""
        scope = Scope(services=("leak",), streets=tuple(Around(streets=(street,)).streets))
        for written in ("富华道12号 电话13812345678", "富华道12号 电话１３８－１２３４－５６７８"):
            assert not scope.covers("leak", CasePlace("west", written))
        assert Scope(services=("leak",), streets=("富华道12号",)).covers("leak", CasePlace("west", written))

    def test_a_confirmation_narrows_a_suspicion(self) -> None:
        incident = incident_in(IncidentState.SUSPECTED)
        do(incident, Confirm(lat=22.52, lng=113.39, radius_m=500, districts=("south",)))
        assert incident.scope == Scope(services=("no_water",), districts=("west", "south"), circle=CIRCLE)
        assert incident.scope.names("no_water", "west")

    def test_a_confirmation_narrows_the_wide_scopes_that_were_merged_into_it(self) -> None:
        incident = incident_in(IncidentState.SUSPECTED)
        wide = Scope(services=("leak",), districts=("south",))
        narrow = Scope(services=("low_pressure",), districts=("torch",), streets=("兴文路",))
        for other, scope in ((INCIDENT, wide), (OTHER_INCIDENT, narrow)):
            incident.absorb(other, scope, THEN)
        do(incident, Confirm(streets=("富华道",)))
        covered = (("no_water", "west", "富华道"), ("leak", "south", "富华道"), ("low_pressure", "torch", "兴文路"))
        for service, district, street in covered:
            for address in ("富华道1号", "兴文路9号"):
                assert incident.scope.covers(service, CasePlace(district, address)) is (street in address)

    def test_of_a_merged_incident_is_covered_as_well_and_nothing_else(self) -> None:
        narrow = Scope(services=("leak",), districts=("south",), circle=CIRCLE)
        both = WEST.joined(narrow)
        inside, outside = CasePlace("south", lat=22.52, lng=113.39), CasePlace("south", lat=22.6, lng=113.39)
        assert both.covers("no_water", CasePlace("west"))
        assert both.covers("leak", inside)
        assert not both.covers("leak", outside)
        assert not both.covers("no_water", inside)
        assert both.joined(narrow) == both

    @pytest.mark.parametrize(
        ("given", "accepted"),
        [
            ({"lat": 22.5}, "lat, lng and radius_m"),
            ({"lat": 22.5, "lng": 113.4}, "lat, lng and radius_m"),
            ({"lat": 22.5, "lng": 113.4, "radius_m": 0}, "greater than or equal to 1"),
            ({"lat": 22.5, "lng": 113.4, "radius_m": 50_001}, "less than or equal to 50000"),
            ({"lat": 22.5, "lng": 113.4, "radius_m": 5, "streets": ["莲塘东路"]}, "not both"),
            ({"lat": 22.5, "lng": 113.4, "radius_m": True}, "valid number"),
        ],
    )
    def test_a_half_circle_is_refused(self, given: dict[str, Any], accepted: str) -> None:
        with pytest.raises(ValidationError, match=accepted):
            Around.model_validate(given)


CIRCLE = Circle(lat=22.52, lng=113.39, radius_m=500)


class TestSample:
    NUMBERS = tuple(f"26090{number:08}" for number in range(4000))

    @pytest.mark.parametrize("percent", [5, 30, 80])
    def test_is_about_so_many_percent(self, percent: int) -> None:
        drawn = sum(sampled(INCIDENT, number, percent) for number in self.NUMBERS)
        assert abs(drawn / len(self.NUMBERS) - percent / 100) < 0.03

    def test_is_everybody_or_nobody_at_the_ends(self) -> None:
        assert all(sampled(INCIDENT, number, ALL_CALLERS) for number in self.NUMBERS)
        assert not any(sampled(INCIDENT, number, 0) for number in self.NUMBERS)

    def test_is_the_same_whenever_it_is_drawn_and_another_for_another_incident(self) -> None:
        first, again, other = (
            [sampled(incident, number, 30) for number in self.NUMBERS]
            for incident in (INCIDENT, INCIDENT, OTHER_INCIDENT)
        )
        assert first == again != other

    def test_who_is_in_a_small_sample_is_in_a_larger_one(self) -> None:
        for number in self.NUMBERS:
            assert not sampled(INCIDENT, number, 10) or sampled(INCIDENT, number, 20)


class TestNumbers:
    def test_hold_the_day_and_a_check_digit(self) -> None:
        number = incident_number_of(local_day(MONDAY), "no_water/west/")
        assert re.fullmatch(r"i260907\d{5}", number)
        assert verhoeff.is_valid(number[1:])

    def test_are_drawn_from_what_it_is_known_by(self) -> None:
        day = local_day(MONDAY)
        assert incident_number_of(day, "a") == incident_number_of(day, "a")
        assert len({incident_number_of(day, "a", draw) for draw in range(20)}) == 20
        assert incident_number_of(day, "a") != incident_number_of(day, "b")


def test_bodies_say_what_is_missing() -> None:
    for body in (Dismiss, Merge, DispatchIncident, Inform, Resolve):
        with pytest.raises(ValueError, match="Field required"):
            body.model_validate({})
    with pytest.raises(ValueError, match="should match pattern"):
        Merge.model_validate({"into": "salt tide"})
