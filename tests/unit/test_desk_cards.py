"""Card of a crew: when its department arrived, and numbers as a mobile telephone dials them."""

from datetime import datetime, timedelta

import pytest

from api.complaints.cases import Complaint
from api.desk.briefing import MOST_ON_PAPER, briefing
from api.desk.crew import Job, job
from api.desk.words import Names
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.link_incident import OVER
from domain.case.case import Case
from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from domain.case.views import view_case
from domain.shared.actors import SYSTEM
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import BODIES, MONDAY, case_in, clock, do, hours, walked


def _card(case: Case, at: datetime) -> Job:
    return job(case, Complaint.of(view_case(case, at), SYSTEM), "repair")


def test_an_arrival_is_offered_once_and_only_if_it_is_promised() -> None:
    case, bill = case_in(State.IN_PROGRESS), case_in(State.IN_PROGRESS)
    assert _card(case, MONDAY).arrives
    do(case, BODIES["arrive"], MONDAY)
    assert not _card(case, MONDAY).arrives
    bill.clocks = tuple(each for each in bill.clocks if each.name != "arrive")
    assert not _card(bill, MONDAY).arrives


def test_only_an_open_incident_is_named() -> None:
    case = case_in(State.IN_PROGRESS)
    assert not _card(case, MONDAY).waits
    case.incident = "i26090700001"
    assert _card(case, MONDAY).waits
    case.settled = OVER
    assert not _card(case, MONDAY).waits


def test_a_sheet_has_the_note_of_the_dispatcher_and_the_latest_comment_before_all_else() -> None:
    case = case_in(State.REGISTERED)
    events = [*do(case, Dispatch(department="repair", note="先打电话"), MONDAY)]
    for word in ("一", "二"):
        events += do(case, Comment(note=f"家有老人{word}"), MONDAY)
    for action in ("sign_for", "complete", "send_back", "complete", "reply"):
        events += do(case, BODIES[action], MONDAY)
    events += do(case, FollowUp(outcome="dissatisfied", note="路面没恢复"), MONDAY)
    names = Names(load_catalogue(DEFAULT_CATALOGUE), zh=True)
    said = [each.facts[0][1] for each in briefing(events, case.state, SYSTEM, names, MOST_ON_PAPER)]
    assert len(said) == MOST_ON_PAPER
    assert {"先打电话", "家有老人二", "路面没恢复"} < {*said}
    assert "家有老人一" in [each.facts[0][1] for each in briefing(events, case.state, SYSTEM, names)]


@pytest.mark.parametrize(("after", "status"), [(hours(0.1), ClockStatus.MET), (hours(30), ClockStatus.MISSED)])
def test_an_arrival_is_shown_late_or_not(after: timedelta, status: ClockStatus) -> None:
    case, at = case_in(State.IN_PROGRESS), MONDAY + after
    walked(case, at)
    do(case, BODIES["arrive"], at)
    assert clock(case, "arrive").status is status
    assert _card(case, at).arrived_at == at


@pytest.mark.parametrize(
    ("phone", "dialled"),
    [
        ("8823 0001", "076088230001"),
        ("0760 8823 0001", "076088230001"),
        ("138 0013 8000", "13800138000"),
        ("+852 2123 4567", "+85221234567"),
        ("95598", "95598"),
    ],
)
def test_a_number_is_dialled_with_its_area_code(phone: str, dialled: str) -> None:
    assert Names(load_catalogue(DEFAULT_CATALOGUE), zh=True).dialled(phone) == dialled
