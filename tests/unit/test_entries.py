"""Entries of figures: each rule of docs/assessment.md on the events of one case, given by hand."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.assessment.entry import TELL_INTAKE, CaseRecord, Fact, FigureEntry, KeptPromise, entries_of
from domain.catalogue.figures import EntryKind
from tests.support.assessment import SINCE, UNTIL, at

MICROSECOND = timedelta(microseconds=1)
ONE, OTHER = "10023", "10024"


def fact(
    when: datetime, action: str, state: str = "in_progress", *, by: str = ONE, cycle: int = 1, **data: Any
) -> Fact:
    """Return an event; its place among the others is that of the list."""
    return Fact(0, when, by, action, state, cycle, data)


def registered(when: datetime, **data: Any) -> Fact:
    return fact(when, "register", "registered", **data)


def dispatched(when: datetime, department: str = "repair") -> Fact:
    return fact(when, "dispatch", "dispatched", department=department)


def signed(when: datetime, crew: str = "30011", part: int | None = None) -> Fact:
    return fact(when, "sign_for", by=crew, part=part)


def missed(when: datetime, clock: str, part: int | None = None, percent: int = 100) -> Fact:
    return fact(when, "escalate", clock=clock, percent=percent, part=part)


def followed(when: datetime, to_state: str = "closed", cycle: int = 1, **data: Any) -> Fact:
    return fact(when, "follow_up", to_state, cycle=cycle, **data)


def kept(when: datetime, name: str, part: int = 0, cycle: int = 1) -> KeptPromise:
    return KeptPromise(name, part, cycle, when)


def counted(
    *steps: Fact | KeptPromise,
    currency: str = "CNY",
    since: datetime = SINCE,
    until: datetime = UNTIL,
    **row: Any,
) -> list[FigureEntry]:
    """Return the entries of a case with these events and kept promises, and this row in SQL."""
    usual = {"owner": ONE, "service": "no_water", "district": "west"}
    facts = [step for step in steps if isinstance(step, Fact)]
    promises = [step for step in steps if isinstance(step, KeptPromise)]
    # Whatever tells the intake is read once more, with its data.
    told = [each for each in facts if each.action in TELL_INTAKE]
    case = CaseRecord(number="2609010000014", facts=facts, kept=promises, intake_facts=told, **usual | row)
    return entries_of(case, since, until, currency)


def of(entries: list[FigureEntry], kind: EntryKind) -> list[FigureEntry]:
    return [entry for entry in entries if entry.kind is kind]


def judged(entries: list[FigureEntry], kind: EntryKind) -> list[bool]:
    """Return for each entry of this kind if it is in favour."""
    return [entry.counts for entry in of(entries, kind)]


CALL, WORK = at(1, "08:00"), at(1, "08:05")
BEGUN = (registered(CALL), dispatched(WORK))


class TestMonth:
    @pytest.mark.parametrize(
        ("instant", "counts"),
        [(SINCE - MICROSECOND, False), (SINCE, True), (UNTIL - MICROSECOND, True), (UNTIL, False)],
    )
    def test_an_event_counts_from_the_first_instant_of_its_month_to_the_last(
        self, instant: datetime, *, counts: bool
    ) -> None:
        assert bool(of(counted(registered(instant)), EntryKind.REGISTERED)) is counts

    @pytest.mark.parametrize(
        ("instant", "counts"),
        [(SINCE - MICROSECOND, False), (SINCE, True), (UNTIL - MICROSECOND, True), (UNTIL, False)],
    )
    def test_a_kept_promise_counts_in_the_month_in_which_it_was_kept(self, instant: datetime, *, counts: bool) -> None:
        call = registered(SINCE - timedelta(days=2))
        found = counted(call, dispatched(SINCE - timedelta(days=1)), kept(instant, "acknowledge"))
        assert judged(found, EntryKind.ACKNOWLEDGE) == [True] * counts

    def test_a_case_of_one_month_may_be_replied_to_in_the_next(self) -> None:
        steps = (
            registered(at(30, "19:00")),
            kept(at(30, "22:00"), "resolve"),
            fact(at(1, "02:30", month=10), "reply", "pending_follow_up"),
        )
        assert [entry.kind for entry in counted(*steps)] == [EntryKind.REGISTERED]
        later = counted(*steps, since=UNTIL, until=UNTIL + timedelta(days=31))
        assert [(entry.kind, entry.agent) for entry in later] == [(EntryKind.RESOLVE, ONE)]

    def test_what_happens_later_changes_no_entry(self) -> None:
        before = counted(*BEGUN, signed(at(1, "08:10")), kept(at(1, "08:10"), "acknowledge"))
        later = at(3, "08:00", month=10)
        after = counted(
            *BEGUN,
            signed(at(1, "08:10")),
            fact(later, "hand_over", owner=OTHER, previous_owner=ONE),
            fact(later, "correct", before={"service_code": "no_water", "location": {"district": "west"}}, after={}),
            kept(at(1, "08:10"), "acknowledge"),
            kept(later, "arrive"),
            owner=OTHER,
            service="leak",
            district="east",
        )
        assert after == before

    def test_the_serial_tells_the_entries_of_a_case_apart(self) -> None:
        found = counted(*BEGUN, signed(at(1, "08:10")), kept(at(1, "08:10"), "acknowledge"))
        assert [entry.serial for entry in found] == [1, 2, 3, 4]


class TestCases:
    def test_a_registration_is_of_the_first_owner_service_and_district(self) -> None:
        steps = (
            registered(CALL),
            fact(at(1, "09:00"), "correct", before={"service_code": "leak"}, after={"service_code": "no_water"}),
            fact(
                at(1, "10:00"),
                "correct",
                before={"location": {"district": "east"}},
                after={"location": {"district": "west"}},
            ),
            fact(at(1, "11:00"), "hand_over", owner=OTHER, previous_owner=ONE),
            fact(at(1, "12:00"), "urge"),
        )
        first, last = counted(*steps, owner=OTHER)
        assert (first.agent, first.service, first.district) == (ONE, "leak", "east")
        assert (last.agent, last.service, last.district) == (OTHER, "no_water", "west")

    def test_a_department_receives_a_case_once_in_a_month(self) -> None:
        again = fact(at(2, "08:00"), "return", "pending_redispatch"), dispatched(at(2, "09:00"))
        elsewhere = dispatched(at(2, "10:00"), "network")
        found = of(counted(*BEGUN, *again, elsewhere), EntryKind.RECEIVED)
        assert [entry.department for entry in found] == ["repair", "network"]

    def test_a_case_of_two_months_is_received_by_its_department_in_the_first_alone(self) -> None:
        before = at(31, "08:00", month=8)
        found = counted(registered(before), dispatched(before), fact(at(1, "08:00"), "urge"))
        assert [(entry.kind, entry.department) for entry in found] == [(EntryKind.URGED, "repair")]

    def test_a_part_is_received_by_its_department(self) -> None:
        found = of(counted(*BEGUN, fact(at(1, "09:00"), "involve", department="metering", part=1)), EntryKind.RECEIVED)
        assert [entry.department for entry in found] == ["repair", "metering"]

    def test_a_member_of_a_crew_signs_for_a_case_once(self) -> None:
        steps = (signed(at(1, "09:00")), signed(at(2, "09:00"), "30012"), signed(at(3, "09:00")))
        assert [entry.crew for entry in of(counted(*BEGUN, *steps), EntryKind.SIGNED_FOR)] == ["30011", "30012"]

    def test_work_that_is_assigned_is_of_the_person_assigned(self) -> None:
        steps = (signed(at(1, "09:00")), fact(at(1, "10:00"), "assign", assignee="30012"), fact(at(1, "11:00"), "urge"))
        (entry,) = of(counted(*BEGUN, *steps), EntryKind.URGED)
        assert entry.crew == "30012"


class TestPromises:
    def test_a_promise_to_follow_up_is_judged_with_the_follow_up(self) -> None:
        steps = (followed(at(1, "09:00"), "closed", outcome="satisfied"), kept(at(1, "09:00"), "follow_up"))
        assert judged(counted(*BEGUN, *steps), EntryKind.FOLLOW_UP) == [True]
        assert judged(counted(*BEGUN, missed(at(1, "09:00"), "follow_up")), EntryKind.FOLLOW_UP) == [False]

    def test_two_follow_ups_at_one_instant_keep_one_promise_each(self) -> None:
        tries = [followed(at(1, "09:00"), "pending_follow_up", outcome="unreachable")] * 2
        promises = [kept(at(1, "09:00"), "follow_up")] * 2
        assert judged(counted(*BEGUN, *tries, *promises), EntryKind.FOLLOW_UP) == [True, True]

    @pytest.mark.parametrize("name", ["acknowledge", "arrive", "reply"])
    def test_a_promise_is_judged_when_it_is_kept_or_missed(self, name: str) -> None:
        assert judged(counted(*BEGUN, kept(at(1, "09:00"), name)), EntryKind(name)) == [True]
        assert judged(counted(*BEGUN, missed(at(1, "09:00"), name)), EntryKind(name)) == [False]

    @pytest.mark.parametrize("percent", [50, 75, 150, 200])
    def test_no_other_step_of_the_ladder_is_a_miss(self, percent: int) -> None:
        assert judged(counted(*BEGUN, missed(at(1, "09:00"), "arrive", percent=percent)), EntryKind.ARRIVE) == []

    def test_the_time_of_an_approver_is_no_promise(self) -> None:
        assert len(counted(*BEGUN, missed(at(1, "09:00"), "approve"))) == len(counted(*BEGUN))

    def test_a_promise_that_was_cancelled_is_not_judged(self) -> None:
        """Returned before the time to sign for it was over: neither kept nor missed."""
        found = counted(*BEGUN, fact(at(1, "08:09"), "return", "pending_redispatch"))
        assert [entry.kind for entry in found] == [EntryKind.REGISTERED, EntryKind.RECEIVED, EntryKind.RETURNED]

    @pytest.mark.parametrize("action", ["reply", "answer"])
    def test_resolving_is_judged_with_the_reply(self, action: str) -> None:
        done = kept(at(1, "12:00"), "resolve")
        assert judged(counted(*BEGUN, done), EntryKind.RESOLVE) == []
        (entry,) = of(counted(*BEGUN, done, fact(at(2, "08:00"), action)), EntryKind.RESOLVE)
        assert (entry.counts, entry.at) == (True, at(2, "08:00"))

    def test_work_that_was_sent_back_and_missed_counts_once_against(self) -> None:
        found = counted(*BEGUN, missed(at(2, "08:05"), "resolve"), fact(at(2, "10:00"), "reply"))
        assert judged(found, EntryKind.RESOLVE) == [False]

    def test_each_cycle_has_promises_of_its_own(self) -> None:
        steps = (
            kept(at(1, "09:00"), "resolve"),
            fact(at(1, "10:00"), "reply"),
            followed(at(1, "11:00"), "dispatched", outcome="dissatisfied", department="repair"),
            kept(at(1, "12:00"), "resolve", cycle=2),
            kept(at(1, "12:00"), "acknowledge", cycle=2),
            fact(at(1, "13:00"), "reply", cycle=2),
        )
        found = counted(*BEGUN, *steps)
        assert [entry.at for entry in of(found, EntryKind.RESOLVE)] == [at(1, "10:00"), at(1, "13:00")]
        assert judged(found, EntryKind.ACKNOWLEDGE) == [True]

    def test_an_entry_is_of_those_who_have_the_case_right_after_the_event(self) -> None:
        steps = (
            signed(at(1, "09:00")),
            kept(at(1, "09:00"), "acknowledge"),
            fact(at(1, "12:00"), "hand_over", owner=OTHER, previous_owner=ONE),
            kept(at(1, "13:00"), "reply"),
        )
        found = counted(*BEGUN, *steps, owner=OTHER)
        (signing,), (reply,) = of(found, EntryKind.ACKNOWLEDGE), of(found, EntryKind.REPLY)
        assert (signing.agent, signing.crew, signing.department) == (ONE, "30011", "repair")
        assert reply.agent == OTHER

    def test_a_promise_of_a_part_is_of_its_department_and_person(self) -> None:
        steps = (
            fact(at(1, "09:00"), "involve", department="metering", part=1),
            signed(at(1, "09:05"), "30031", part=1),
            kept(at(1, "09:05"), "acknowledge", part=1),
            missed(at(2, "09:00"), "resolve", part=1),
        )
        found = counted(*BEGUN, *steps)
        (signing,), (work,) = of(found, EntryKind.ACKNOWLEDGE), of(found, EntryKind.RESOLVE)
        assert {(entry.department, entry.crew) for entry in (signing, work)} == {("metering", "30031")}
        assert (signing.counts, work.counts) == (True, False)


class TestShares:
    def test_a_return_is_of_the_department_that_had_the_case_once_in_a_month(self) -> None:
        back = [fact(at(day, "09:00"), "return", "pending_redispatch") for day in (1, 2)]
        found = of(counted(*BEGUN, back[0], dispatched(at(2, "08:00")), back[1]), EntryKind.RETURNED)
        assert [(entry.department, entry.at) for entry in found] == [("repair", at(1, "09:00"))]

    def test_urging_counts_once_in_a_month(self) -> None:
        steps = [fact(at(day, "09:00"), "urge") for day in (1, 2)]
        assert [entry.at for entry in of(counted(*BEGUN, *steps), EntryKind.URGED)] == [at(1, "09:00")]

    def test_the_first_event_of_each_month_counts_in_it(self) -> None:
        steps = (fact(at(31, "09:00", month=8), "urge"), fact(at(2, "09:00"), "urge"))
        assert [entry.at for entry in of(counted(*BEGUN, *steps), EntryKind.URGED)] == [at(2, "09:00")]

    @pytest.mark.parametrize(("approved", "times"), [(True, 1), (False, 0)])
    def test_an_extension_counts_if_it_is_granted(self, *, approved: bool, times: int) -> None:
        found = counted(*BEGUN, fact(at(1, "09:00"), "decide_extension", approved=approved))
        assert len(of(found, EntryKind.EXTENDED)) == times

    def test_a_reopened_case_is_received_anew_by_another_department(self) -> None:
        found = counted(*BEGUN, fact(at(9, "09:00"), "reopen", "dispatched", department="network"))
        (entry,) = of(found, EntryKind.REOPENED)
        assert entry.department == "repair"
        assert [each.department for each in of(found, EntryKind.RECEIVED)] == ["repair", "network"]

    def test_rework_is_of_those_whose_work_it_was_about(self) -> None:
        (entry,) = of(
            counted(*BEGUN, signed(at(1, "09:00")), followed(at(2, "09:00"), "dispatched", outcome="dissatisfied")),
            EntryKind.REWORKED,
        )
        assert (entry.department, entry.crew) == ("repair", "30011")


class TestFollowUps:
    @pytest.mark.parametrize(
        ("steps", "satisfied"),
        [
            ([(ONE, "13922220000")], []),
            ([(OTHER, "13922220000")], [True]),
            ([(ONE, "13922220000"), (OTHER, "13922220001")], [True]),
            ([(OTHER, "13922220000"), (ONE, "13922220001")], []),
            # Who put it in becomes the owner, and may give the case away again.
            ([(OTHER, "13922220000"), (OTHER, None), (ONE, None)], []),
            ([(OTHER, "13922220000"), ("10025", None)], [True]),
            # The same number is no change: not by a colleague, and not by the owner.
            ([(ONE, "13922220000"), (OTHER, "139 2222 0000")], []),
            ([(ONE, "+86 138-0013-8000")], [True]),
        ],
    )
    def test_a_satisfied_answer_does_not_count_if_an_owner_changed_the_telephone(
        self, steps: list[tuple[str, str | None]], satisfied: list[bool]
    ) -> None:
        """Each step is a correction to a telephone, or a hand-over."""
        phone, changes = "13800138000", list[Fact]()
        for hour, (who, new) in enumerate(steps, start=10):
            data: dict[str, Any] = {"owner": who, "previous_owner": ONE}
            if new:
                data = {"before": {"caller": {"phone": phone}}, "after": {"caller": {"phone": new}}}
                phone = new
            action = "correct" if new else "hand_over"
            changes.append(fact(at(1, f"{hour}:00"), action, by=who, **data))
        for outcome, counts in (("satisfied", satisfied), ("dissatisfied", [False])):
            found = counted(*BEGUN, *changes, followed(at(2, "09:00"), outcome=outcome))
            assert judged(found, EntryKind.SATISFIED) == counts
            assert judged(found, EntryKind.CONTACTED) == [True]

    @pytest.mark.parametrize(
        ("data", "contacted", "solved", "satisfied"),
        [
            ({"outcome": "unreachable", "contacted": False}, [False], [], []),
            ({"outcome": "satisfied"}, [True], [True], [True]),
            ({"outcome": "dissatisfied"}, [True], [], [False]),
            ({"outcome": "satisfied", "solved": True, "satisfaction": "fairly_satisfied"}, [True], [True], [True]),
            ({"outcome": "dissatisfied", "solved": False, "satisfaction": "satisfied"}, [True], [False], [True]),
            ({"outcome": "dissatisfied", "solved": True, "satisfaction": "dissatisfied"}, [True], [True], [False]),
        ],
    )
    def test_what_the_caller_said_is_counted(
        self, data: dict[str, Any], contacted: list[bool], solved: list[bool], satisfied: list[bool]
    ) -> None:
        to_state = "dispatched" if data["outcome"] == "dissatisfied" else "closed"
        found = counted(*BEGUN, followed(at(2, "09:00"), to_state, **data))
        assert [judged(found, kind) for kind in (EntryKind.CONTACTED, EntryKind.SOLVED, EntryKind.SATISFIED)] == [
            contacted,
            solved,
            satisfied,
        ]

    @pytest.mark.parametrize(("first", "then"), [("closed", "dispatched"), ("dispatched", "closed")])
    def test_a_changed_answer_counts_in_the_place_of_the_first_in_its_month_alone(self, first: str, then: str) -> None:
        answered, changed = at(2, "09:00"), at(4, "09:00")
        said = {"closed": "satisfied", "dispatched": "dissatisfied"}
        steps = [registered(SINCE), dispatched(SINCE), signed(SINCE), followed(answered, first, outcome=said[first])]
        steps.append(followed(changed, then, cycle=2, outcome=said[then], changes=1))
        counts = [(each.at, each.counts, each.crew) for each in of(counted(*steps), EntryKind.SATISFIED)]
        assert counts == [(answered, then == "closed", "30011")]
        assert len(of(counted(*steps), EntryKind.REWORKED)) == (then == "dispatched")
        assert judged(counted(*steps, until=changed), EntryKind.SATISFIED) == [first == "closed"]
        assert of(counted(*steps, since=changed), EntryKind.SATISFIED) == []

    def test_a_try_after_which_another_follows_is_not_counted(self) -> None:
        found = counted(*BEGUN, followed(at(2, "09:00"), "pending_follow_up", outcome="unreachable"))
        assert of(found, EntryKind.CONTACTED) == []


class TestThanksAndMoney:
    THANKED = registered(CALL, intake={"thanked": "30011"})

    def test_thanks_are_for_the_person_thanked(self) -> None:
        (entry,) = of(counted(self.THANKED, service="thanks"), EntryKind.THANKS)
        assert (entry.agent, entry.crew) == ("30011", "30011")
        assert [each.agent for each in of(counted(self.THANKED, service="thanks"), EntryKind.REGISTERED)] == [ONE]

    @pytest.mark.parametrize("ends", ["withdraw", "refuse"])
    def test_thanks_that_end_in_the_month_do_not_count(self, ends: str) -> None:
        state = {"withdraw": "withdrawn", "refuse": "refused"}[ends]
        assert of(counted(self.THANKED, fact(at(30, "23:59"), ends, state), service="thanks"), EntryKind.THANKS) == []
        after = fact(UNTIL, ends, state)
        assert len(of(counted(self.THANKED, after, service="thanks"), EntryKind.THANKS)) == 1

    def test_thanks_that_come_back_count(self) -> None:
        gone, back = fact(at(3, "09:00"), "withdraw", "withdrawn"), fact(at(4, "09:00"), "reinstate", "registered")
        assert len(of(counted(self.THANKED, gone, back, service="thanks"), EntryKind.THANKS)) == 1

    @pytest.mark.parametrize("action", ["decide_approval", "decide_credit"])
    def test_money_is_the_amount_approved_in_hundredths(self, action: str) -> None:
        (entry,) = of(counted(*BEGUN, fact(at(1, "09:00"), action, approved=True, amount="860.05")), EntryKind.MONEY)
        assert (entry.amount, entry.agent, entry.department) == (86_005, ONE, "repair")

    @pytest.mark.parametrize(
        "data",
        [
            {"approved": False, "amount": "860.00"},
            {"approved": True},
            {"approved": True, "amount": "860.00", "final": False},
            {"approved": True, "amount": "860.00", "currency": "GBP"},
        ],
        ids=["rejected", "of no amount", "not the last approver", "another currency"],
    )
    def test_other_decisions_are_no_money(self, data: dict[str, Any]) -> None:
        assert of(counted(*BEGUN, fact(at(1, "09:00"), "decide_credit", **data)), EntryKind.MONEY) == []

    def test_a_decision_that_waits_for_the_next_approver_is_no_money(self) -> None:
        step = fact(at(1, "09:00"), "decide_approval", "awaiting_approval", approved=True, amount="860.00")
        assert of(counted(*BEGUN, step), EntryKind.MONEY) == []

    def test_money_counts_in_the_currency_of_the_catalogue(self) -> None:
        step = fact(at(1, "09:00"), "decide_credit", approved=True, amount="30.00", currency="GBP")
        assert [entry.amount for entry in of(counted(*BEGUN, step, currency="GBP"), EntryKind.MONEY)] == [3000]
