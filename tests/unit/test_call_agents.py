"""Agents as the telephone system names them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.shared.actors import Role
from domain.shared.errors import FileError
from hotline.telephony.people import Agents, load_extensions, stripped
from readmodel.people.people import Directory, Member

ADDED = datetime(2026, 1, 1, tzinfo=UTC)


def member(person: str, name: str, left_at: datetime | None = None) -> Member:
    return Member(id=person, name=name, role=Role.AGENT, added_at=ADDED, left_at=left_at)


PEOPLE = Directory(
    people=(
        member("chen", "陈美玲"),
        member("10023", "Zhang Wei"),
        member("10024", "Zhang Wei"),
        member("he", "何", left_at=ADDED),
    )
)


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("Agent/1001", "1001"),
        ("SIP/chen-0000001a", "chen"),
        ("PJSIP/zhang-wei-0000001a", "zhang-wei"),
        ("PJSIP/zhang-wei", "zhang-wei"),
        ("Local/chen@agents/n", "chen"),
        ("Local/chen@agents-0000001a;1", "chen"),
        ("陈美玲", "陈美玲"),
        ("Zhang Wei", "Zhang Wei"),
    ],
)
def test_a_channel_names_an_agent_without_technology_and_suffix(channel: str, name: str) -> None:
    assert stripped(channel) == name


@pytest.mark.parametrize("channel", ["PJSIP/chen", "SIP/Chen-0000001a", "陈美玲", "Local/ｃｈｅｎ@agents/n"])
def test_an_agent_is_the_person_of_this_id_or_name(channel: str) -> None:
    assert Agents(PEOPLE).named("agent", channel) == ("chen", True)


def test_a_person_who_has_left_has_answered_earlier_calls() -> None:
    assert Agents(PEOPLE).named("agent", "PJSIP/he") == ("he", True)


@pytest.mark.parametrize("channel", ["Agent/1001", "Zhang Wei"])
def test_a_name_of_nobody_or_of_several_stays_as_it_is(channel: str) -> None:
    assert Agents(PEOPLE).named("agent", channel) == (stripped(channel), False)


def test_extensions_come_before_the_directory(tmp_path: Path) -> None:
    file = tmp_path / "agents.csv"
    file.write_text("分机,人员\n1001,陈美玲\nSIP/chen,10024\n", encoding="utf-8")
    agents = Agents(PEOPLE, load_extensions(file, "utf-8", PEOPLE))
    assert agents.named("agent", "Agent/1001") == ("chen", True)
    assert agents.named("agent", "PJSIP/chen-0000001a") == ("10024", True)


def test_a_file_of_extensions_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "agents.csv"
    file.write_text("extension,person\n1001,chen\n1002,\n1003,Zhang Wei\n1001,he\n", encoding="utf-8")
    with pytest.raises(FileError) as refused:
        load_extensions(file, "utf-8", PEOPLE)
    assert [problem.removeprefix(f"{file}, ").partition(";")[0] for problem in refused.value.problems] == [
        "line 3, person: is missing",
        "line 4, person: there is no such person",
        "line 5, extension: it stands on line 2 already",
    ]
