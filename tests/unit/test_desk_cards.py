"""Card of a crew: when its department arrived, and numbers as a mobile telephone dials them."""

from datetime import timedelta

import pytest

from api.complaints.cases import Complaint
from api.desk.crew import job
from api.desk.words import Names
from domain.case.clocks import ClockStatus
from domain.case.lifecycle import State
from domain.case.views import view_case
from domain.shared.actors import SYSTEM
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.build import BODIES, MONDAY, case_in, clock, do, hours, walked


@pytest.mark.parametrize(("after", "status"), [(hours(0.1), ClockStatus.MET), (hours(30), ClockStatus.MISSED)])
def test_an_arrival_is_shown_late_or_not(after: timedelta, status: ClockStatus) -> None:
    case, at = case_in(State.IN_PROGRESS), MONDAY + after
    walked(case, at)
    do(case, BODIES["arrive"], at)
    assert clock(case, "arrive").status is status
    assert job(Complaint.of(view_case(case, at), SYSTEM), "repair").arrived_at == at


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
