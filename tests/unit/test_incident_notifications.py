"""Recipients of news of an incident: callers and staff of its cases, and those whom it concerns itself."""

from datetime import UTC, datetime

import pytest

from domain.case.case import Case, notifications
from domain.case.lifecycle import Event, State
from domain.incident.incident import INCIDENT_PREFIX, News, incident_notifications, news_notifications
from domain.incident.state import IncidentState
from domain.kit.event import Notification
from tests.support.build import ADMIN, DISPATCHER, INCIDENT, THEN, case_in, do, registration
from tests.support.incidents import BODIES as INCIDENT_COMMANDS
from tests.support.incidents import ROAD, incident_in
from tests.support.incidents import do as direct
from tests.support.linked_cases import LATER, LINK, OVER_NOW, UNLINK, linked, with_incident


def told(case: Case, *events: Event) -> dict[str, list[str]]:
    return {event.action: [notice.recipient for notice in notifications(case.number, event)] for event in events}


class TestNotices:
    def test_a_call_that_an_incident_explains_tells_no_dispatcher(self) -> None:
        case, event = with_incident()
        assert told(case, event) == {"register": []}
        alone, (event,) = Case.register(registration())
        assert told(alone, event) == {"register": ["dispatcher"]}

    def test_a_link_tells_the_department_that_has_the_case_and_a_way_out_the_dispatcher(self) -> None:
        alone, at_work = case_in(State.REGISTERED), case_in(State.IN_PROGRESS)
        for body, dispatcher in ((LINK, []), (UNLINK, ["dispatcher"])):
            assert told(alone, *do(alone, body, THEN, DISPATCHER)) == {"link_incident": dispatcher}
            assert told(at_work, *do(at_work, body, THEN, DISPATCHER)) == {"link_incident": ["department:repair"]}

    def test_a_settlement_tells_the_caller_alone(self) -> None:
        case = linked(State.SUSPENDED)
        heard = told(case, *case.settle(OVER_NOW, LATER))
        assert heard == {"resume": [], "complete": [], "reply": [f"caller:{case.number}"]}

    def test_a_case_that_is_kept_tells_its_owner(self) -> None:
        case = linked(State.AWAITING_APPROVAL)
        assert told(case, *case.settle(OVER_NOW, LATER)) == {"comment": ["owner:Chen Jing"]}


def of_incident(state: IncidentState, action: str) -> tuple[Notification, ...]:
    incident = incident_in(state)
    return incident_notifications(incident, direct(incident, INCIDENT_COMMANDS[action], ADMIN))


class TestIncidentNotifications:
    @pytest.mark.parametrize(
        ("state", "action", "recipients"),
        [
            (IncidentState.SUSPECTED, "confirm", ["supervisor"]),
            (IncidentState.SUSPECTED, "dismiss", []),
            (IncidentState.CONFIRMED, "merge", []),
            (IncidentState.CONFIRMED, "dispatch", ["department:repair"]),
            (IncidentState.DISPATCHED, "sign_for", ["dispatcher"]),
            (IncidentState.CONFIRMED, "inform", []),
            (IncidentState.CONFIRMED, "resolve", ["dispatcher", "supervisor"]),
        ],
    )
    def test_tell_those_whom_it_concerns(self, state: IncidentState, action: str, recipients: list[str]) -> None:
        assert [notice.recipient for notice in of_incident(state, action)] == recipients

    def test_an_end_tells_those_who_decide(self) -> None:
        incident = incident_in(IncidentState.SETTLING)
        found = incident_notifications(incident, incident.finish(THEN, {}))
        assert [notice.recipient for notice in found] == ["dispatcher", "supervisor"]
        merging = incident_in(IncidentState.MERGING)
        assert [notice.recipient for notice in incident_notifications(merging, merging.fail_merge(THEN))] == [
            "dispatcher"
        ]

    def test_name_it_in_both_languages_under_a_kind_and_a_key_of_its_own(self) -> None:
        (notice,) = of_incident(IncidentState.CONFIRMED, "dispatch")
        assert notice.kind == f"{INCIDENT_PREFIX}dispatch"
        assert notice.key == f"{INCIDENT}-3-department:repair"
        assert notice.text_zh == f"突发事件{INCIDENT}（停水 no water）：派单，现为待签收"
        assert notice.text_en == f"Incident {INCIDENT} (停水 no water): dispatch, now dispatched"

    def test_reach_every_state_under_keys_that_are_unique(self) -> None:
        for state, road in ROAD.items():
            incident = incident_in(IncidentState.SUSPECTED)
            found = [
                notice.key
                for action in road
                for notice in incident_notifications(incident, direct(incident, INCIDENT_COMMANDS[action], ADMIN))
            ]
            assert len(found) == len(set(found)), state


class TestNews:
    NEWS = News(incident=INCIDENT, seq=4, at=THEN, message="正在抢修", message_en="At work.", numbers=("1", "2"))

    def test_are_one_message_for_the_caller_of_each_case(self) -> None:
        found = news_notifications(self.NEWS, self.NEWS.numbers)
        assert {number: notice.recipient for number, notice in found.items()} == {"1": "caller:1", "2": "caller:2"}
        assert {notice.kind for notice in found.values()} == {"incident_inform"}
        assert {(notice.text_zh, notice.text_en) for notice in found.values()} == {("正在抢修", "At work.")}

    def test_say_when_water_is_expected_back(self) -> None:
        news = self.NEWS.model_copy(update={"expected_at": datetime(2026, 9, 7, 10, tzinfo=UTC)})
        [notice] = news_notifications(news, ("1",)).values()
        assert notice.text_zh == "正在抢修 预计2026-09-07 18:00恢复。"
        assert notice.text_en == "At work. Expected back: 2026-09-07 18:00."

    def test_have_the_same_keys_every_time_and_others_for_other_news(self) -> None:
        later = self.NEWS.model_copy(update={"seq": 5})
        keys = [
            {notice.key for notice in news_notifications(news, ("1", "2")).values()}
            for news in (self.NEWS, self.NEWS, later)
        ]
        assert keys[0] == keys[1]
        assert not keys[0] & keys[2]
