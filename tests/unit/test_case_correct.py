"""Correction (更正): facts of the intake change, and the clocks follow the promises of the right service."""

from typing import Any

import pytest

from domain.case.actions.arrive import Arrive
from domain.case.actions.correct import CatalogueTerms, Correct, Correction
from domain.case.actions.hand_over import HandOver
from domain.case.automatic.internal_updates import NewTerms
from domain.case.case import Case, notifications
from domain.case.clocks import ClockStatus
from domain.case.intake import THANKS_SERVICE, Caller, Location
from domain.case.lifecycle import OPEN, Event, State
from domain.case.progress import ContactChange
from domain.catalogue.terms import Edition
from domain.rights.rights import masked, masks_for
from domain.shared.actors import Actor, Role
from tests.support.build import (
    AGENT,
    BODIES,
    CREW,
    DISPATCHER,
    MONDAY,
    OWNER,
    PROMISES,
    SUPERVISOR,
    THEN,
    case_in,
    clock,
    data_of,
    do,
    minutes,
    one,
    refused,
    registration,
    terms,
    written,
)

EDITION = Edition(digest="0123456789ab", name="Town", name_zh="城区")
FASTER = tuple(each.model_copy(update={"budget_seconds": 1800}) if each.name == "arrive" else each for each in PROMISES)


def leak(district: str | None = "west", **changes: Any) -> Correction:
    """A correction to the service `leak`, whose crew is to arrive within half an hour."""
    right = terms(service_code="leak", name="Leak", name_zh="漏水", **{"priority": "P1", "promises": FASTER, **changes})
    in_force = CatalogueTerms(terms=right, edition=EDITION, district=district)
    return Correction(reason="It is a leak.", service_code="leak", in_force=in_force)


CONTACT = Correct(reason="x", caller=Caller(phone="0760 8823 9999"))


def after(case: Case, body: Correct, actor: Actor = AGENT) -> Event:
    return do(case, body, MONDAY + minutes(6), actor)[-1]


class TestFacts:
    @pytest.mark.parametrize("state", sorted(OPEN))
    def test_are_corrected_in_every_open_state(self, state: State) -> None:
        case = case_in(state)
        event = after(case, CONTACT)
        assert (event.to_state, case.intake.caller.phone) == (state, "0760 8823 9999")

    @pytest.mark.parametrize("actor", [AGENT, OWNER, DISPATCHER, SUPERVISOR], ids=lambda actor: actor.id)
    def test_are_corrected_by_those_who_take_calls_and_send_crews(self, actor: Actor) -> None:
        after(case_in(State.IN_PROGRESS), CONTACT, actor)
        assert refused(case_in(State.IN_PROGRESS), CONTACT, CREW).code == "wrong_role"

    def test_that_are_left_out_stay_and_null_clears(self) -> None:
        case = case_in(State.DISPATCHED)
        event = after(case, Correct(reason="Another number.", caller=Caller(phone="13800138000", account_no=None)))
        assert case.intake.caller == Caller(name="李婆婆", phone="13800138000")
        assert data_of(event)["before"] == {
            "caller": {"name": "李婆婆", "phone": "0760 8823 7777", "account_no": "A-17"},
        }
        assert data_of(event)["after"] == {"caller": {"name": "李婆婆", "phone": "13800138000", "account_no": None}}
        assert {*data_of(event)} == {"reason", "before", "after"}

    def test_of_another_address_have_no_coordinates_of_the_old_one(self) -> None:
        case = case_in(State.DISPATCHED)
        after(case, Correct(reason="x", location=Location(address="莲塘路 8 号")))
        assert case.intake.location == Location(district="west", address="莲塘路 8 号")
        after(case, Correct(reason="x", location=Location(address="莲塘路 9 号", lat=22.5, lng=113.4)))
        assert (case.intake.location.lat, case.intake.location.lng) == (22.5, 113.4)

    def test_that_somebody_has_corrected_since_are_not_filled_in_again(self) -> None:
        """The registry was asked before: what a person says stands."""
        taken = Correction(reason="Another customer.", caller=Caller(name="Wong"), filled=("caller.name",))
        assert refused(case_in(State.DISPATCHED), taken, AGENT).code == "version_changed"

    def test_that_are_right_already_are_refused(self) -> None:
        case = case_in(State.DISPATCHED)
        same = Correct(reason="x", service_code="no_water", priority="P2", caller=Caller(name="李婆婆"))
        for body in (Correct(reason="x"), same):
            assert refused(case, body, AGENT).code == "nothing_corrected"

    def test_that_are_personal_are_masked_in_the_event(self) -> None:
        case = case_in(State.DISPATCHED)
        place = Location(address="莲塘路 8 号", lat=22.5, lng=113.4)
        event = after(case, Correct(reason="x", caller=Caller(phone="13800138000"), location=place))
        shown, names = masked(data_of(event), masks_for(Role.FOLLOW_UP, ended=False))
        assert names == []
        shown, names = masked(data_of(event), masks_for(Role.MANAGER, ended=False))
        assert shown["after"]["caller"] == {"name": "李*婆", "phone": "138****8000", "account_no": "***7"}
        assert shown["before"]["caller"]["phone"] == "**********77"
        assert shown["after"]["location"] == {"district": "west", "address": "莲塘路 ***", "lat": None, "lng": None}
        assert {*names} >= {"caller.phone", "location.address"}

    def test_are_told_by_name_and_nothing_personal_is(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["involve"], MONDAY, OWNER)
        place = Location(lat=22.5, lng=113.4)
        event = after(case, Correct(reason="x", caller=Caller(phone="13800138000"), location=place))
        told = notifications(case.number, event)
        colleagues = ["assignee:Wu Gang", "department:metering", "owner:Chen Jing"]
        assert [each.recipient for each in told] == [*colleagues, f"former_caller:{case.number}"]
        assert told[0].text_zh == f"工单{case.number}：更正联系方式、地点，现为处理中"
        assert told[0].text_en == f"Case {case.number}: correct (caller, location), by an agent; now in progress"

    @pytest.mark.parametrize(("by", "flags"), [(OWNER, ("contact_changed",)), (AGENT, ()), (SUPERVISOR, ())])
    def test_a_telephone_that_the_owner_has_put_in_is_flagged(self, by: Actor, flags: tuple[str, ...]) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Correct(reason="x", caller=Caller(phone="13800138000")), THEN, by)
        assert case.flags == flags
        assert case.contact_changed == ContactChange(by=by.id, at=THEN, by_owner=by is OWNER)

    def test_a_colleague_who_puts_in_another_lowers_the_flag_and_other_facts_do_not(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, CONTACT, THEN, OWNER)
        do(case, Correct(reason="x", caller=Caller(name="李先生")), THEN, AGENT)
        assert "contact_changed" in case.flags
        do(case, Correct(reason="x", caller=Caller(phone="13800138000")), THEN, SUPERVISOR)
        assert not case.flags

    @pytest.mark.parametrize("spelling", ["139 2222 0000", "+86 139-2222-0000", "013922220000"])
    def test_a_telephone_that_is_only_written_otherwise_stays_that_of_who_put_it_in(self, spelling: str) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Correct(reason="x", caller=Caller(phone="13922220000")), THEN, OWNER)
        do(case, Correct(reason="x", caller=Caller(phone=spelling)), THEN, SUPERVISOR)
        assert case.intake.caller.phone == spelling
        assert case.flags == ("contact_changed",)
        assert case.contact_changed == ContactChange(by=OWNER.id, at=THEN, by_owner=True)

    def test_a_colleague_who_enters_a_cleared_telephone_vouches_for_it(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Correct(reason="x", caller=Caller(phone=None)), THEN, OWNER)
        do(case, CONTACT, THEN, SUPERVISOR)
        assert not case.flags

    def test_the_same_telephone_in_another_form_is_no_change(self) -> None:
        case = case_in(State.IN_PROGRESS)
        event = after(case, Correct(reason="x", caller=Caller(phone="0760-88237777")), OWNER)
        assert (case.flags, case.contact_changed) == ((), None)
        assert not [each for each in notifications(case.number, event) if each.recipient.startswith("former_caller")]

    def test_a_telephone_of_somebody_who_becomes_the_owner_later_is_flagged_for_good(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, CONTACT, THEN, AGENT)
        do(case, HandOver(owner="somebody"), THEN, SUPERVISOR)
        assert not case.flags
        for owner in (AGENT.id, "somebody"):
            do(case, HandOver(owner=owner), THEN, SUPERVISOR)
            assert case.flags == ("contact_changed",)
            assert case.contact_changed == ContactChange(by=AGENT.id, at=THEN, by_owner=True)


class TestService:
    def test_changes_the_promises_and_keeps_what_was_consumed(self) -> None:
        case = case_in(State.DISPATCHED)
        event = after(case, leak())
        assert (case.intake.service_code, case.terms.service_code, case.terms.priority) == ("leak", "leak", "P1")
        assert clock(case, "arrive").elapsed(MONDAY + minutes(6), case.calendar) == 360
        assert clock(case, "arrive").due_at(case.calendar) == MONDAY + minutes(30)
        data = data_of(event)
        assert data["before"] == {"service_code": "no_water", "priority": "P2"}
        assert data["after"] == {"service_code": "leak", "priority": "P1"}
        assert data["catalogue"] == EDITION.model_dump()
        assert data["changed"] == ["service_code", "name", "name_zh", "priority", "promises"]
        assert data["moved"] == [
            {
                "clock": "arrive",
                "serial": 2,
                "due_before": written(MONDAY + minutes(60)),
                "due_after": written(MONDAY + minutes(30)),
                "why": ["budget"],
                "budget_before": 3600,
                "budget_after": 1800,
            }
        ]

    @pytest.mark.parametrize(("arrives", "status"), [(False, ClockStatus.RUNNING), (True, ClockStatus.CANCELLED)])
    def test_and_back_again_promises_anew_what_is_still_to_be_done(self, arrives: bool, status: ClockStatus) -> None:
        case = case_in(State.IN_PROGRESS)
        after(case, leak(promises=tuple(each for each in PROMISES if each.name != "arrive")))
        assert clock(case, "arrive").status is ClockStatus.CANCELLED
        if arrives:
            do(case, Arrive(), MONDAY + minutes(7), CREW)
        back = CatalogueTerms(terms=terms(), edition=EDITION, district="west")
        correction = Correction(reason="It was no water.", service_code="no_water", in_force=back)
        do(case, correction, MONDAY + minutes(8), AGENT)
        assert clock(case, "arrive").status is status
        if not arrives:
            assert clock(case, "arrive").due_at(case.calendar) == MONDAY + minutes(60)

    def test_does_to_the_clocks_what_another_catalogue_does(self) -> None:
        corrected, moved = case_in(State.IN_PROGRESS), case_in(State.IN_PROGRESS)
        body = leak()
        assert body.in_force is not None
        after(corrected, body)
        moved.change_catalogue(NewTerms(terms=body.in_force.terms, edition=EDITION), MONDAY + minutes(6))
        assert (corrected.clocks, corrected.terms) == (moved.clocks, moved.terms)
        assert corrected.catalogue_change is None

    def test_needs_its_terms(self) -> None:
        """The workflow knows no catalogue; the API sends them."""
        case = case_in(State.DISPATCHED)
        refusal = refused(case, Correct(reason="x", service_code="leak"), AGENT)
        assert refusal.code == "terms_not_sent"
        assert f"POST /v1/complaints/{case.number}/actions/correct" in refusal.message
        place = Correct(reason="x", location=Location(district="south"), priority="P1")
        after(case, place)
        assert (case.intake.location.district, case.terms.priority) == ("south", "P1")

    def test_that_was_corrected_meanwhile_needs_other_terms(self) -> None:
        case = case_in(State.DISPATCHED)
        after(case, Correct(reason="x", location=Location(district="south")))
        assert refused(case, leak(), AGENT).code == "terms_not_sent"
        after(case, leak("south"))

    def test_that_management_decides_on_is_not_the_one_of_completed_work(self) -> None:
        case = case_in(State.PENDING_REPLY)
        assert refused(case, leak(needs_approval=True), AGENT).code == "not_approved"
        do(case, BODIES["send_back"], THEN)
        after(case, leak(needs_approval=True))
        assert case.needs_decision

    def test_of_thanks_thanks_nobody_once_it_is_another(self) -> None:
        """A case whose intake is not valid could not begin its next run."""
        start = registration(service_code=THANKS_SERVICE)
        intake = start.intake.model_copy(update={"service_code": THANKS_SERVICE, "thanked": "Wu Gang"})
        case, _ = Case.register(start.model_copy(update={"intake": intake}))
        after(case, leak())
        assert case.intake.thanked is None
        assert Case.model_validate_json(case.model_dump_json()) == case


class TestPriority:
    def test_by_hand_leaves_the_clocks_and_stays(self) -> None:
        case = case_in(State.DISPATCHED)
        clocks = case.clocks
        event = one(do(case, Correct(reason="x", priority="P1"), THEN, DISPATCHER))
        assert (case.terms.priority, case.terms.priority_by_hand, case.clocks) == ("P1", True, clocks)
        assert data_of(event)["after"] == {"priority": "P1"}
        after(case, leak(priority="P3"))
        assert (case.terms.priority, case.terms.priority_by_hand) == ("P1", True)

    def test_is_given_with_the_service(self) -> None:
        case = case_in(State.DISPATCHED)
        after(case, leak().model_copy(update={"priority": "P4"}))
        assert (case.terms.priority, case.terms.priority_by_hand, case.terms.service_code) == ("P4", True, "leak")

    def test_of_a_service_is_not_by_hand(self) -> None:
        case = case_in(State.DISPATCHED)
        after(case, leak())
        assert not case.terms.priority_by_hand
        case.change_catalogue(NewTerms(terms=terms(priority="P5"), edition=EDITION), MONDAY + minutes(7))
        assert case.terms.priority == "P5"
