"""Credits that the company owes for a missed promise: raised by time, and once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from domain.case.actions.complete import Complete
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.involve import Involve
from domain.case.actions.sign_for import SignFor
from domain.case.automatic.internal_updates import NewTerms
from domain.case.case import Case
from domain.case.lifecycle import Event, State
from domain.catalogue.terms import Edition, Exemption
from domain.shared.actors import Actor, Role
from tests.support.build import BODIES, MONDAY, data_of, days, do, hours, minutes, refused, registration, terms, written
from tests.support.credits import GAO, OWED, POSTS, REN, RESOLVE, late

Unlocked = Callable[[], tuple[Case, list[int]]]


def raised(events: tuple[Event, ...]) -> list[tuple[str, int, str]]:
    return [
        (data_of(event)["amount"], data_of(event)["period"], data_of(event)["fell_at"])
        for event in events
        if event.action == "credit"
    ]


class TestRaising:
    def test_the_miss_raises_one_and_each_further_period_another(self) -> None:
        case = late()
        assert raised(case.advance(MONDAY + hours(11))) == []
        assert raised(case.advance(MONDAY + hours(12))) == [("50.00", 0, written(MONDAY + hours(12)))]
        assert raised(case.advance(MONDAY + hours(23))) == []
        assert case.next_deadline() == MONDAY + hours(24)
        assert raised(case.advance(MONDAY + hours(49))) == [
            ("50.00", further, written(MONDAY + hours(12 * further + 12))) for further in (1, 2, 3)
        ]
        assert [owed.serial for owed in case.credits] == [1, 2, 3, 4]

    def test_an_event_tells_all_of_it_by_itself(self) -> None:
        event = next(event for event in late().advance(MONDAY + hours(13)) if event.action == "credit")
        assert (event.actor, event.role, event.from_state, event.to_state) == (
            "system",
            Role.SYSTEM,
            State.IN_PROGRESS,
            State.IN_PROGRESS,
        )
        assert data_of(event) == {
            "credit": 1,
            "name": "Supply not restored",
            "name_zh": "未按时恢复供水",
            "amount": "50.00",
            "currency": "GBP",
            "clock": "resolve",
            "serial": 1,
            "period": 0,
            "fell_at": written(MONDAY + hours(12)),
            "approvers": [],
        }

    def test_a_promise_that_is_kept_owes_nothing(self) -> None:
        case = late()
        do(case, BODIES["complete"], MONDAY + hours(11))
        assert raised(case.advance(MONDAY + days(9))) == []

    def test_what_was_late_owes_no_more_once_it_is_done(self) -> None:
        case = late()
        do(case, BODIES["complete"], MONDAY + hours(13))
        assert raised(case.advance(MONDAY + days(9))) == []
        assert len(case.credits) == 1

    def test_nothing_is_owed_for_the_time_in_which_we_wait_for_the_caller(self) -> None:
        case = late()
        case.advance(MONDAY + hours(13))
        do(case, BODIES["suspend"], MONDAY + hours(13))
        assert raised(case.advance(MONDAY + hours(40))) == []
        assert case.next_deadline() is None
        do(case, BODIES["resume"], MONDAY + hours(40))
        assert raised(case.advance(MONDAY + hours(52))) == [("50.00", 1, written(MONDAY + hours(51)))]

    def test_at_most_is_the_most_of_one_case(self) -> None:
        case = late(owed=(OWED.model_copy(update={"at_most": Decimal(120)}),))
        case.advance(MONDAY + days(9))
        assert sum(owed.amount for owed in case.credits) == 100
        do(case, BODIES["complete"], MONDAY + days(9))
        do(case, BODIES["reply"], MONDAY + days(9))
        do(case, FollowUp(outcome="dissatisfied"), MONDAY + days(9))
        assert raised(case.advance(MONDAY + days(20))) == []

    def test_each_credit_has_a_most_of_its_own(self) -> None:
        both = tuple(
            OWED.model_copy(update={"name": name, "each_further": None, "at_most": Decimal(50)})
            for name in ("Supply not restored", "Late")
        )
        case = late(owed=both)
        case.advance(MONDAY + hours(12))
        assert [(owed.name, owed.amount) for owed in case.credits] == [(each.name, Decimal(50)) for each in both]

    @pytest.mark.parametrize(("customer", "amount"), [("household", Decimal(50)), ("business", Decimal(100))])
    def test_a_business_gets_what_the_catalogue_says_of_it(self, customer: str, amount: Decimal) -> None:
        owed = OWED.model_copy(update={"business": Decimal(100)})
        start = registration(promises=(RESOLVE,), credits=(owed,)).model_copy(update={"customer_class": customer})
        case, _ = Case.register(start)
        case.advance(MONDAY + hours(24))
        assert [(owed.amount, owed.period) for owed in case.credits] == [(amount, 0), (Decimal(50), 1)]

    def test_a_further_cycle_that_is_late_owes_again(self) -> None:
        case = late(owed=(OWED.model_copy(update={"each_further": None}),))
        for action in ("complete", "reply"):
            do(case, BODIES[action], MONDAY + hours(13))
        do(case, FollowUp(outcome="dissatisfied"), MONDAY + hours(13))
        case.advance(MONDAY + hours(26))
        assert [(owed.clock_serial, owed.period) for owed in case.credits] == [(1, 0), (2, 0)]

    def test_a_case_without_credits_in_its_terms_owes_nothing(self) -> None:
        case = late(owed=())
        case.advance(MONDAY + days(9))
        assert case.credits == ()
        assert "credits" not in case.model_dump(mode="json")

    def test_what_was_missed_before_the_catalogue_promised_anything_is_not_made_up_for(self) -> None:
        case = late(owed=())
        case.advance(MONDAY + hours(13))
        there = terms(promises=(RESOLVE,), credits=(OWED,), currency="GBP")
        new = NewTerms(terms=there, edition=Edition(digest="0" * 12, name="England", name_zh="英格兰"))
        case.change_catalogue(new, MONDAY + hours(14))
        assert raised(case.advance(MONDAY + days(3))) == []

    def test_what_was_missed_owes_further_periods_under_a_new_catalogue_too(self) -> None:
        case = late()
        case.advance(MONDAY + hours(13))
        there = terms(promises=(RESOLVE,), credits=(OWED,), currency="GBP", priority="P1")
        new = NewTerms(terms=there, edition=Edition(digest="0" * 12, name="England", name_zh="英格兰"))
        case.change_catalogue(new, MONDAY + hours(14))
        case.advance(MONDAY + hours(24))
        assert [(owed.period, owed.fell_at) for owed in case.credits] == [
            (0, MONDAY + hours(12)),
            (1, MONDAY + hours(24)),
        ]

    def test_the_clock_of_the_supply_counts_not_the_part_of_another_department(self) -> None:
        """Water is back after two hours; billing takes forty."""
        case = late()
        do(case, Involve(department="billing", task="Credit the bill."), MONDAY + hours(1))
        do(case, BODIES["complete"], MONDAY + hours(2))
        case.advance(MONDAY + hours(40))
        assert case.credits == ()

    def test_what_others_still_do_adds_no_further_period(self) -> None:
        case = late()
        do(case, Involve(department="billing", task="Credit the bill."), MONDAY + hours(1))
        do(case, BODIES["complete"], MONDAY + hours(13))
        case.advance(MONDAY + days(9))
        assert [owed.period for owed in case.credits] == [0]

    def test_work_that_is_sent_back_was_never_done_and_owes_for_the_time_between(self) -> None:
        case = late()
        do(case, BODIES["complete"], MONDAY + hours(2))
        do(case, BODIES["send_back"], MONDAY + hours(30))
        assert [each[1:] for each in raised(case.advance(MONDAY + hours(30)))] == [
            (0, written(MONDAY + hours(12))),
            (1, written(MONDAY + hours(24))),
        ]

    def test_what_was_rejected_does_not_count_towards_the_most(self) -> None:
        case = late(owed=(OWED.model_copy(update={"at_most": Decimal(100)}),))
        case.advance(MONDAY + days(9))
        do(case, DecideCredit(credit=1, approved=False, reason="It was the street."), MONDAY + days(9))
        case.advance(MONDAY + days(9))
        assert len(case.credits) == 3

    def test_a_rejection_for_the_limit_of_the_account_frees_nothing_for_further_credits(self) -> None:
        case = late(owed=(OWED.model_copy(update={"at_most": Decimal(100)}),))
        case.advance(MONDAY + hours(30))
        word = DecideCredit(credit=2, approved=False, ground="limit_reached", reason="Paid by another case.")
        event = do(case, word, MONDAY + hours(30))[-1]
        assert data_of(event)["ground"] == case.credits[1].ground == "limit_reached"
        assert raised(case.advance(MONDAY + days(9))) == []

    def test_a_rejection_for_an_exemption_does_not_count_towards_the_most(self) -> None:
        case = late(owed=(OWED.model_copy(update={"at_most": Decimal(100)}),), exemptions=(DROUGHT,))
        case.advance(MONDAY + days(9))
        do(case, DecideCredit(credit=1, approved=False, ground="drought", reason="No rain."), MONDAY + days(9))
        case.advance(MONDAY + days(9))
        assert [owed.ground for owed in case.credits] == ["drought", None, None]

    def test_an_unknown_amount_owes_nothing(self) -> None:
        case = late(owed=(OWED.model_copy(update={"amount": None, "gap": "not found"}),))
        assert raised(case.advance(MONDAY + days(9))) == []
        assert case.terms.credits[0].amount_for("business") is None

    @pytest.mark.parametrize("step", [minutes(1), hours(7), days(2)])
    def test_however_often_it_is_looked_at_the_same_are_raised(self, step: timedelta) -> None:
        case, whole = late(), late()
        # Before the first notice, which is counted from when it really went out.
        at, end = MONDAY, MONDAY + hours(35)
        while at < end:
            at = min(at + step, end)
            case.advance(at)
        whole.advance(end)
        assert case == whole


DROUGHT = Exemption(code="drought", name="Drought", name_zh="干旱")
CAPPED = OWED.model_copy(update={"at_most": Decimal(100)})
NO = DecideCredit(credit=1, approved=False, reason="It was the street.")


def unlocked_by_a_rejection() -> tuple[Case, list[int]]:
    """The third period ended after 36 hours; it is owed since the first credit was rejected, after 61."""
    case = late(owed=(CAPPED,), approvers=POSTS)
    do(case, BODIES["suspend"], MONDAY + hours(40))
    do(case, BODIES["resume"], MONDAY + hours(60))
    do(case, NO, MONDAY + hours(61), GAO)
    return case, [36]


def unlocked_by_sending_it_back() -> tuple[Case, list[int]]:
    """The work was said to be done after two hours, while billing went on; after 61 it turned out that it was not."""
    case = late(approvers=POSTS)
    do(case, Involve(department="billing", task="Credit the bill."), MONDAY + hours(1))
    do(case, BODIES["complete"], MONDAY + hours(2))
    billing = Actor(id="Sun Hao", role=Role.CREW, department="billing")
    for body in (SignFor(), Complete(result="Credited.")):
        do(case, body, MONDAY + hours(40), billing)
    do(case, BODIES["send_back"], MONDAY + hours(61))
    return case, [12, 24, 36, 48, 60]


def unlocked_by_a_catalogue() -> tuple[Case, list[int]]:
    """A new catalogue owes for further periods as well; the case has waited for its caller from 30 to 40."""
    case = late(owed=(OWED.model_copy(update={"each_further": None}),), approvers=POSTS)
    do(case, BODIES["suspend"], MONDAY + hours(30))
    do(case, BODIES["resume"], MONDAY + hours(40))
    there = case.terms.model_copy(update={"credits": (OWED,)})
    case.change_catalogue(
        NewTerms(terms=there, edition=Edition(digest="0" * 12, name="E", name_zh="英")), MONDAY + hours(61)
    )
    return case, [24, 46, 58]


@pytest.mark.parametrize("unlocked", [unlocked_by_a_rejection, unlocked_by_sending_it_back, unlocked_by_a_catalogue])
class TestUnlocking:
    """A credit that is owed long after its period ended, as something else stood in its way."""

    def test_it_fell_due_at_the_end_of_its_period(self, unlocked: Unlocked) -> None:
        case, ends = unlocked()
        fell = [datetime.fromisoformat(fell_at) for _, _, fell_at in raised(case.advance(MONDAY + hours(61)))]
        assert fell == [MONDAY + hours(end) for end in ends]

    def test_its_approver_is_asked_when_it_is_owed_and_the_deputy_waits_from_then(self, unlocked: Unlocked) -> None:
        case, ends = unlocked()
        case.advance(MONDAY + hours(61))
        assert {owed.asked_at for owed in case.credits[-len(ends) :]} == {MONDAY + hours(61)}
        word = DecideCredit(credit=len(case.credits), approved=True)
        assert refused(case, word, REN, MONDAY + hours(61) + minutes(59)).code == "not_the_approver"
        do(case, word, MONDAY + hours(62), REN)

    def test_a_worker_that_is_late_makes_the_same_case(self, unlocked: Unlocked) -> None:
        (punctual, _), (late, _) = unlocked(), unlocked()
        for at in (61, 62, 80):
            punctual.advance(MONDAY + hours(at))
        late.advance(MONDAY + hours(80))
        assert punctual == late
