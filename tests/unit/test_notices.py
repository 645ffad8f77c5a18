"""Recipients of each notification: addressed as far as the case knows, once, and without a word about the caller."""

import re

import pytest

from domain.case.actions import COMMANDS
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.return_ import Return
from domain.case.automatic.internal_updates import Undelivered
from domain.case.case import Case, notifications
from domain.case.lifecycle import Event, State
from domain.kit.event import ActionBody, Notification
from tests.support.build import (
    BODIES,
    CALLER,
    MONDAY,
    THEN,
    case_in,
    data_of,
    days,
    do,
    hours,
    minutes,
    prepare,
    registration,
)

NUMBER = "2609070000017"
OWNER = "owner:Chen Jing"
DEPARTMENT = "department:repair"
ASSIGNEE = "assignee:Wu Gang"
TOLD = {
    "answer": [f"caller:{NUMBER}"],
    "dispatch": [DEPARTMENT],
    "refuse": [f"caller:{NUMBER}", OWNER],
    "sign_for": [OWNER],
    "return": ["dispatcher", OWNER],
    "reject_return": [DEPARTMENT],
    "arrive": [OWNER],
    "suspend": [OWNER],
    "resume": [ASSIGNEE, OWNER],
    "request_approval": ["manager"],
    "decide_approval": [DEPARTMENT, OWNER],
    "complete": [OWNER],
    "send_back": [DEPARTMENT],
    "reply": [f"caller:{NUMBER}", "follow_up"],
    "follow_up": [OWNER],
    "reopen": [DEPARTMENT, OWNER],
    "withdraw": [DEPARTMENT, OWNER],
    "reinstate": ["dispatcher", OWNER],
    "comment": [],
    "correct": [ASSIGNEE, OWNER],
    "urge": [DEPARTMENT],
    "send_link": [f"caller:{NUMBER}"],
    "revoke_links": [OWNER],
    "unsubscribe": [],
    "subscribe": [],
    "supervise": [DEPARTMENT, OWNER],
    "request_extension": ["supervisor"],
    "decide_extension": [DEPARTMENT],
    "hand_over": ["owner:Li Mei", OWNER],
    "assign": ["assignee:黄强", ASSIGNEE],
    "involve": ["department:metering"],
    "release": ["department:metering", OWNER],
    "decide_credit": [OWNER, f"caller:{NUMBER}"],
    "link_incident": [DEPARTMENT],
}


def case_before(action: str) -> Case:
    """Return a case to which the action can be done: in progress, or else in the first state that it has."""
    sources = COMMANDS[action].sources
    at_work = State.IN_PROGRESS in sources and action != "dispatch"
    case = case_in(State.IN_PROGRESS if at_work else next(s for s in State if s in sources))
    prepare(case, action)
    return case


def after(case: Case, body: ActionBody) -> tuple[Event, tuple[Notification, ...]]:
    event = do(case, body, THEN)[-1]
    return event, notifications(case.number, event)


def told(case: Case, body: ActionBody) -> list[str]:
    return [notice.recipient for notice in after(case, body)[1]]


class TestWho:
    @pytest.mark.parametrize("action", BODIES)
    def test_each_action_tells_those_it_concerns(self, action: str) -> None:
        assert action in TOLD, f"add to TOLD in tests/unit/test_notices.py whom {action} notifies"
        assert told(case_before(action), BODIES[action]) == TOLD[action]

    def test_a_registration_tells_the_dispatchers(self) -> None:
        case, (event,) = Case.register(registration())
        assert [notice.recipient for notice in notifications(case.number, event)] == ["dispatcher"]

    def test_thanks_are_told_to_the_person_thanked(self) -> None:
        start = registration()
        intake = start.intake.model_copy(update={"service_code": "thanks", "thanked": "Wu Gang"})
        case, (event,) = Case.register(start.model_copy(update={"intake": intake}))
        found = notifications(case.number, event)
        assert [notice.recipient for notice in found] == ["dispatcher", ASSIGNEE]
        assert (found[1].text_zh, found[1].text_en) == (
            f"工单{NUMBER}：来电表扬Wu Gang",
            f"Case {NUMBER}: a caller thanks Wu Gang",
        )

    def test_an_answer_to_be_followed_up_tells_those_who_follow_up(self) -> None:
        case = case_in(State.REGISTERED, answer_needs_follow_up=True)
        assert told(case, BODIES["answer"]) == [f"caller:{NUMBER}", "follow_up"]

    def test_rework_tells_the_department_and_supervised_rework_the_supervisor(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        assert told(case, FollowUp(outcome="dissatisfied")) == [OWNER, DEPARTMENT]
        for action in ("sign_for", "complete", "reply"):
            do(case, BODIES[action], THEN)
        assert told(case, FollowUp(outcome="dissatisfied")) == [OWNER, DEPARTMENT, "supervisor"]

    def test_rework_that_satisfies_is_no_more_news_to_the_department(self) -> None:
        case = case_in(State.CLOSED)
        for action in ("reopen", "sign_for", "complete", "reply"):
            do(case, BODIES[action], THEN)
        assert told(case, FollowUp(outcome="satisfied")) == [OWNER]

    def test_where_no_department_has_the_case_its_owner_is_told_once(self) -> None:
        assert told(case_in(State.REGISTERED), BODIES["withdraw"]) == [OWNER]
        assert told(case_in(State.REGISTERED), BODIES["urge"]) == [OWNER]

    def test_a_notification_given_up_tells_nobody_and_goes_round_no_circle(self) -> None:
        case = case_in(State.DISPATCHED)
        (event,) = case.undelivered(Undelivered(key="key", channel="sms", error="HTTP 503"), THEN)
        assert notifications(case.number, event) == ()


class TestEscalation:
    def escalation(self, case: Case, at_minutes: float, percent: int) -> tuple[Notification, ...]:
        events = case.advance(MONDAY + minutes(at_minutes))
        event = next(event for event in events if event.action == "escalate" and data_of(event)["percent"] == percent)
        return notifications(case.number, event)

    def test_climbs_the_ladder(self) -> None:
        case = case_in(State.DISPATCHED)
        climb = [
            [notice.recipient for notice in self.escalation(case, at, percent)]
            for at, percent in ((5, 50), (7.5, 75), (10, 100), (15, 150), (20, 200))
        ]
        assert climb == [
            [DEPARTMENT],
            [DEPARTMENT, "lead:repair"],
            ["lead:repair", OWNER, "supervisor"],
            ["director"],
            ["general_manager"],
        ]

    def test_names_clock_and_share_in_both_languages(self) -> None:
        (warning,) = self.escalation(case_in(State.DISPATCHED), 5, 50)
        assert (warning.kind, warning.text_zh) == ("escalate", f"工单{NUMBER}：签收时限即将到期（50%）")
        assert warning.text_en == f"Case {NUMBER}: the acknowledge promise is running out (50 % of its time used)"
        missed = self.escalation(case_in(State.DISPATCHED), 11, 100)[0]
        assert "已超时（100%）" in missed.text_zh
        assert "is missed (100 %" in missed.text_en

    def test_reaches_somebody_before_any_department_has_the_case(self) -> None:
        case = case_in(State.REGISTERED)
        events = case.advance(MONDAY + days(4))
        assert [notice.recipient for notice in notifications(case.number, events[0])] == [OWNER]

    def test_a_miss_that_the_ladder_does_not_name_tells_nobody(self) -> None:
        assert self.escalation(case_in(State.DISPATCHED, ladder=()), 11, 100) == ()


def every_notice() -> list[Notification]:
    found: list[Notification] = []
    for action, body in BODIES.items():
        case = case_before(action)
        found += after(case, body)[1]
        found += [notice for event in case.advance(MONDAY + days(20)) for notice in notifications(case.number, event)]
    return found


class TestText:
    def test_names_the_case_by_its_number_in_both_languages(self) -> None:
        _, (notice,) = after(case_in(State.DISPATCHED), BODIES["sign_for"])
        assert notice.text_zh == f"工单{NUMBER}：签收，现为处理中"
        assert notice.text_en == f"Case {NUMBER}: sign for, by the crew; now in progress"
        assert notice.kind == "sign_for"

    def test_says_nothing_about_the_caller(self) -> None:
        intake = registration().intake
        private = ["李婆婆", "8823", "A-17", "下闸", "22.54", "113.36", intake.description]
        private += [
            str(word)
            for body in BODIES.values()
            for word in body.model_dump(exclude={"owner", "department", "incident"}).values()
            if isinstance(word, str) and len(word) > 6
        ]
        for notice in every_notice():
            for word in private:
                assert not any(word in text for text in (notice.key, notice.recipient, notice.text_zh, notice.text_en))

    def test_a_comment_by_the_caller_stays_with_the_case(self) -> None:
        case = case_in(State.DISPATCHED)
        (event,) = do(case, Comment(note="My telephone is 13800000000."), THEN, CALLER)
        assert notifications(case.number, event) == ()


class TestKeys:
    def test_are_unique_within_a_case_and_the_same_every_time(self) -> None:
        case, events = Case.register(registration())
        for action in ("dispatch", "sign_for", "complete", "reply"):
            events += do(case, BODIES[action], THEN)
        events += do(case, FollowUp(outcome="dissatisfied"), THEN + hours(30))
        events += case.advance(MONDAY + days(20))

        def keys() -> list[str]:
            read = [Event.model_validate_json(event.model_dump_json()) for event in events]
            return [notice.key for event in read for notice in notifications(case.number, event)]

        assert keys() == keys()
        assert len(keys()) == len(set(keys())) > 20

    def test_name_case_event_and_recipient(self) -> None:
        event, (notice,) = after(case_in(State.DISPATCHED), BODIES["sign_for"])
        assert notice.key == f"{NUMBER}-{event.seq}-{OWNER}"
        assert re.fullmatch(r"\d{13}-\d+-.+", notice.key)


def test_an_escalation_concerns_whoever_had_the_case_when_it_happened() -> None:
    """With SQL away, it is published with what came after it: the case is elsewhere, and with other people."""
    case = case_in(State.DISPATCHED)
    events = do(case, HandOver(owner="Li Mei"), MONDAY + minutes(11))
    events += do(case, Return(reason="Not ours"), MONDAY + minutes(12))
    events += do(case, Dispatch(department="network", assignee="Sun Hao"), MONDAY + minutes(13))
    told = {
        data_of(event).get("percent", event.action): [notice.recipient for notice in notifications(case.number, event)]
        for event in events
    }
    assert told == {
        50: [DEPARTMENT],
        75: [DEPARTMENT, "lead:repair"],
        100: ["lead:repair", OWNER, "supervisor"],
        "hand_over": ["owner:Li Mei", OWNER],
        "return": ["dispatcher", "owner:Li Mei"],
        "dispatch": ["department:network"],
    }
