"""A credit that is owed: who decides on it, who hears of that, and what is left of it once the case has ended."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.case.actions.decide_credit import DecideCredit
from domain.case.approvers import approvers_for
from domain.case.case import Case, notifications
from domain.case.lifecycle import State
from domain.case.state import CREDIT_WAITS
from tests.support.build import (
    ADMIN,
    BODIES,
    CREW,
    MANAGER,
    MONDAY,
    ROAD,
    data_of,
    days,
    do,
    hours,
    minutes,
    refused,
    registration,
)
from tests.support.credits import GAO, MA, OWED, POSTS, REN, RESOLVE, YES, late


class TestDeciding:
    def test_does_not_change_the_state_and_lands_in_what_was_decided(self) -> None:
        case = late()
        case.advance(MONDAY + hours(12))
        assert CREDIT_WAITS in case.flags
        event = do(case, YES, MONDAY + hours(13))[-1]
        assert (event.from_state, event.to_state) == (State.IN_PROGRESS, State.IN_PROGRESS)
        assert data_of(event) | {"credit": 1} == data_of(event)
        assert (data_of(event)["amount"], data_of(event)["currency"], data_of(event)["final"]) == ("50.00", "GBP", True)
        [decided] = case.decisions
        assert (decided.kind, decided.amount, decided.approved, decided.requested_by, decided.decided_by) == (
            "credit",
            Decimal(50),
            True,
            "system",
            (MANAGER.id,),
        )
        assert CREDIT_WAITS not in case.flags

    def test_each_in_turn_and_nobody_twice(self) -> None:
        case = late(approvers=POSTS)
        case.advance(MONDAY + hours(12))
        at = MONDAY + hours(12)
        assert refused(case, YES, MA, at).code == "not_the_approver"
        assert refused(case, YES, REN, at).accepted == (GAO.id,)
        first = do(case, YES, at, GAO)[-1]
        assert (data_of(first)["final"], case.decisions) == (False, ())
        assert refused(case, YES, GAO, at).code == "decided_already"
        assert data_of(do(case, YES, at, MA)[-1])["final"] is True
        assert case.decisions[0].decided_by == (GAO.id, MA.id)

    def test_the_deputy_may_as_well_once_the_time_has_lapsed(self) -> None:
        case = late(approvers=POSTS)
        case.advance(MONDAY + hours(12))
        assert "decide_credit" not in case.available_actions(REN, MONDAY + hours(12) + minutes(59))
        do(case, YES, MONDAY + hours(13), REN)
        assert case.credits[0].approved_by == (REN.id,)

    def test_the_time_of_the_next_one_counts_from_when_it_is_his_turn(self) -> None:
        manager, director = POSTS
        case = late(approvers=(manager, director.model_copy(update={"deputy": REN.id})))
        asked = MONDAY + hours(13)
        do(case, YES, asked, GAO)
        refusal = refused(case, YES, REN, asked + minutes(59))
        assert (refusal.code, refusal.accepted) == ("not_the_approver", (MA.id,))
        do(case, YES, asked + hours(1), REN)
        assert case.credits[0].approved_by == (GAO.id, REN.id)

    def test_a_rejection_is_the_last_word(self) -> None:
        case = late(approvers=POSTS)
        case.advance(MONDAY + hours(12))
        do(case, DecideCredit(credit=1, approved=False, reason="It was the street."), MONDAY + hours(12), GAO)
        assert (case.decisions[0].approved, case.undecided_credits) == (False, ())

    def test_a_rejection_says_why(self) -> None:
        case = late(approvers=POSTS)
        bare = DecideCredit(credit=1, approved=False)
        assert refused(case, bare, GAO, MONDAY + hours(12)).code == "reason_needed"
        do(case, DecideCredit(credit=1, approved=False, reason="It was the street."), MONDAY + hours(12), GAO)
        assert case.decisions[0].reason == "It was the street."

    def test_what_is_owed_above_every_limit_goes_to_all_of_them(self) -> None:
        case = late(owed=(OWED.model_copy(update={"amount": Decimal(5000)}),), approvers=POSTS)
        case.advance(MONDAY + hours(12))
        assert len(case.credits[0].approvers) == 2
        assert len(approvers_for(case.terms, Decimal(40))) == 1

    def test_the_administrator_may_in_an_emergency(self) -> None:
        case = late(approvers=POSTS)
        case.advance(MONDAY + hours(12))
        do(case, YES, MONDAY + hours(12), ADMIN)
        assert case.credits[0].approved_by == (ADMIN.id,)

    def test_only_a_manager_and_only_one_that_waits(self) -> None:
        case = late()
        assert refused(case, YES, MANAGER, MONDAY + hours(1)).code == "out_of_turn"
        case.advance(MONDAY + hours(12))
        assert refused(case, YES, CREW, MONDAY + hours(12)).code == "wrong_role"
        no_such = refused(case, DecideCredit(credit=2, approved=True), MANAGER, MONDAY + hours(12))
        assert (no_such.kind, no_such.code, no_such.accepted) == ("invalid", "no_such_credit", ("1",))

    def test_of_a_decided_credit_it_is_nobodys_turn(self) -> None:
        case = late(approvers=POSTS)
        case.advance(MONDAY + hours(24))
        for who in (GAO, MA):
            do(case, YES, MONDAY + hours(24), who)
        do(case, DecideCredit(credit=2, approved=False, reason="It was the street."), MONDAY + hours(24), GAO)
        assert [owed.next_approver for owed in case.credits] == [None, None]

    def test_the_limit_of_the_account_is_a_ground_to_reject_alone(self) -> None:
        with pytest.raises(ValidationError, match="leave it out of an approval"):
            DecideCredit(credit=1, approved=True, ground="limit_reached")

    def test_its_approval_is_not_the_one_that_the_work_waits_for(self) -> None:
        case = late(needs_approval=True)
        do(case, YES, MONDAY + hours(12))
        assert case.decisions[0].kind == "credit"
        assert refused(case, BODIES["complete"], at=MONDAY + hours(12)).code == "not_approved"


class TestHearing:
    """Recipients of the news of a credit on which the last word was said."""

    def heard(self, case: Case, *, approved: bool) -> dict[str, str]:
        case.advance(MONDAY + hours(12))
        event = do(case, DecideCredit(credit=1, approved=approved, reason="It was the street."), MONDAY + hours(13))[-1]
        return {notice.recipient: notice.text_en for notice in notifications(case.number, event)}

    def test_the_customer_it_is_owed_to_and_the_department_that_pays(self) -> None:
        case = late(owed=(OWED.model_copy(update={"paid_by": "billing"}),))
        heard = self.heard(case, approved=True)
        assert [*heard] == [f"owner:{case.owner}", f"caller:{case.number}", "department:billing"]
        assert set(heard.values()) == {f"Case {case.number}: a credit of 50.00 GBP is approved, to be paid"}

    def test_no_department_where_the_catalogue_names_none(self) -> None:
        case = late()
        assert [*self.heard(case, approved=True)] == [f"owner:{case.owner}", f"caller:{case.number}"]

    def test_of_a_rejection_its_owner_alone(self) -> None:
        case = late(owed=(OWED.model_copy(update={"paid_by": "billing"}),))
        heard = self.heard(case, approved=False)
        assert heard == {f"owner:{case.owner}": f"Case {case.number}: a credit of 50.00 GBP is rejected"}

    def test_of_one_turn_the_next_approver_alone(self) -> None:
        case = late(approvers=POSTS)
        case.advance(MONDAY + hours(12))
        event = do(case, YES, MONDAY + hours(12), GAO)[-1]
        assert [notice.recipient for notice in notifications(case.number, event)] == [f"manager:{MA.id}"]


class TestAfterTheEnd:
    @pytest.mark.parametrize("action", ["follow_up", "withdraw"])
    def test_the_case_lives_until_somebody_has_decided(self, action: str) -> None:
        case = late()
        case.advance(MONDAY + hours(12))
        for step in ("complete", "reply", "follow_up") if action == "follow_up" else (action,):
            do(case, BODIES[step], MONDAY + hours(13))
        much_later = MONDAY + days(40)
        assert (not case.is_active(much_later), case.is_over(much_later)) == (True, False)
        assert case.next_deadline() is None
        assert case.available_actions(MANAGER, much_later) == ("decide_credit",)
        do(case, YES, much_later)
        assert case.is_over(much_later)

    def test_the_window_is_not_longer_for_it(self) -> None:
        case = late()
        case.advance(MONDAY + hours(12))
        for step in ("complete", "reply", "follow_up"):
            do(case, BODIES[step], MONDAY + hours(13))
        assert refused(case, BODIES["reopen"], at=MONDAY + days(40)).code == "out_of_turn"

    def test_a_case_folds_from_its_events_with_all_its_credits(self) -> None:
        start = registration(promises=(RESOLVE,), credits=(OWED,), approvers=POSTS)
        case, events = Case.register(start)
        for action in ROAD[State.IN_PROGRESS]:
            events += do(case, BODIES[action], MONDAY)
        events += case.advance(MONDAY + hours(30))
        events += do(case, YES, MONDAY + hours(30), GAO)
        events += do(case, DecideCredit(credit=2, approved=False, note="It was the street."), MONDAY + hours(31), GAO)
        assert Case.fold(events) == case
        assert Case.model_validate_json(case.model_dump_json()) == case
