"""The roster in a file: taken whole or not at all, in the telephone system's time."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.calls.call import Duty
from domain.shared.actors import Role
from domain.shared.errors import FileError
from hotline.files.formats import TIME
from hotline.telephony.people import NO_PERSON, RosterFile, load_roster
from readmodel.people.people import Directory, Member

ZONE = ZoneInfo("Asia/Shanghai")
ADDED = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = Directory(
    people=(
        Member(id="chen", name="陈美玲", role=Role.AGENT, added_at=ADDED),
        Member(id="he", name="何", role=Role.AGENT, added_at=ADDED),
    )
)


def load(folder: Path, text: str, zone: ZoneInfo = ZONE, encoding: str = "utf-8") -> RosterFile:
    path = folder / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return load_roster(path, encoding, zone, PEOPLE)


def problems(folder: Path, *lines: str) -> list[str]:
    with pytest.raises(FileError) as refused:
        load(folder, "person,from,to\n" + "".join(f"{line}\n" for line in lines))
    return [problem.removeprefix(f"{folder / 'roster.csv'}, ") for problem in refused.value.problems]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_roster_covers_the_days_from_its_first_start_to_its_last(tmp_path: Path, encoding: str) -> None:
    text = "人员,上班,下班\n陈美玲,2026-08-03 08:00,2026-08-03 16:00\nhe,2026-08-04T20:00:00+08:00,2026-08-05 06:00\n"
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    found = load_roster(path, "gb18030" if encoding == "gb18030" else "utf-8", ZONE, PEOPLE)
    assert found == RosterFile(
        [
            Duty("chen", datetime(2026, 8, 3, 0, 0, tzinfo=UTC), datetime(2026, 8, 3, 8, 0, tzinfo=UTC)),
            Duty("he", datetime(2026, 8, 4, 12, 0, tzinfo=UTC), datetime(2026, 8, 4, 22, 0, tzinfo=UTC)),
        ],
        datetime(2026, 8, 2, 16, 0, tzinfo=UTC),
        datetime(2026, 8, 4, 16, 0, tzinfo=UTC),
    )


def test_a_duty_lasts_the_hour_longer_in_the_night_when_clocks_go_back(tmp_path: Path) -> None:
    text = "person,from,to\nchen,2026-10-24 22:00,2026-10-25 06:00\n"
    (duty,) = load(tmp_path, text, ZoneInfo("Europe/London")).duties
    assert (duty.ends_at - duty.starts_at).total_seconds() == 9 * 3600


def test_every_broken_line_is_named_with_its_column_and_what_is_accepted(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        "li,2026-08-03 08:00,2026-08-03 16:00",
        "chen,monday,2026-08-03 16:00",
        "chen,2026-08-03 08:00,2026-08-03",
        "chen,2026-08-03 08:00,",
        "chen,2026-08-03 16:00,2026-08-03 08:00",
        "chen,2026-08-03 08:00,2026-08-04 09:01",
        "he,2026-08-03 12:00,2026-08-03 20:00",
        "chen,2026-08-03 12:00,2026-08-03 20:00",
        "he,2026-08-03 08:00,2026-08-03 12:01",
        "chen,9999-12-31 20:00,9999-12-31 23:00",
    ) == [
        f"line 2, person: {NO_PERSON}",
        f"line 3, from: {TIME}",
        f"line 4, to: {TIME}",
        "line 5, to: is missing; accepted: a person, and when the duty begins and ends",
        "line 6, to: accepted: a time after from, at most 25 hours later",
        "line 7, to: accepted: a time after from, at most 25 hours later",
        "line 10, from: it overlaps the duty of line 8; accepted: duties one after the other",
        f"line 11, from: {TIME}",
    ]


def test_a_roster_without_a_duty_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["line 1: no duty follows; accepted: a line for each duty"]
    assert problems(tmp_path, "") == ["line 1: no duty follows; accepted: a line for each duty"]
