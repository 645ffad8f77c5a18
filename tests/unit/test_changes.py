"""Differences between catalogues, in words."""

from pathlib import Path

import pytest

from domain.catalogue.catalogue import Catalogue, changes
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE


@pytest.fixture(scope="module")
def default() -> Catalogue:
    return load_catalogue(DEFAULT_CATALOGUE)


def edited(tmp_path: Path, text: str) -> Catalogue:
    file = tmp_path / "edited.toml"
    file.write_text(f'extends = "{DEFAULT_CATALOGUE}"\n{text}', encoding="utf-8")
    return load_catalogue(file)


def test_the_same_differs_in_nothing(default: Catalogue) -> None:
    assert changes(default, default) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[services.no_water]\nreply = { hours = 2, source = "I" }', "services.no_water.reply: 4 hours → 2 hours"),
        ('[services.no_water]\npriority = "P3"', "services.no_water.priority: P2 → P3"),
        (
            '[services.thanks]\nfollow_up = { days = 1, calendar = "always", source = "I" }',
            "services.thanks.follow_up: - → 1 days",
        ),
        (
            '[services.waiver]\nreply = { hours = 7, calendar = "working", starts = "decision", source = "I" }',
            "services.waiver.reply: 1 working days, from the decision → 7 hours, working time, from the decision",
        ),
        ('[process]\nreopen = { days = 7, source = "I" }', "process.reopen: 72 hours → 7 days"),
        ('[process]\nfollow_up_attempts = { count = 2, source = "I" }', "process.follow_up_attempts: 3 → 2"),
        ('[phone]\nconnected = { percent = 97.5, source = "I" }', "phone.connected: 95 % → 97.5 %"),
        ('[departments]\nlegal = { name = "Legal", name_zh = "法务部" }', "departments.legal: is new (Legal 法务部)"),
        ('[organisation.operations]\nholder = "10023"', "organisation.operations.holder: - → 10023"),
        ('[districts.west]\nzone = "outskirts"', "districts.west.zone: town → outskirts"),
    ],
)
def test_each_difference_is_one_line(default: Catalogue, tmp_path: Path, text: str, said: str) -> None:
    assert changes(default, edited(tmp_path, text)) == [said]


def test_another_source_of_the_same_figure_is_no_change(default: Catalogue, tmp_path: Path) -> None:
    text = '[sources]\nU = "us"\n[services.no_water]\nreply = { hours = 4, source = "U" }'
    assert changes(default, edited(tmp_path, text)) == []


def test_what_is_taken_out_is_named(default: Catalogue) -> None:
    less = default.model_copy(update={"services": default.services[1:]})
    assert changes(default, less) == ["services.burst_main: is gone (Burst main, broken hydrant 爆管)"]


def test_days_of_the_calendar_are_named_and_many_are_counted(default: Catalogue) -> None:
    off = default.calendar.off
    few = default.calendar.model_copy(update={"off": off[:-2]})
    assert changes(default, default.model_copy(update={"calendar": few})) == [
        f"calendar.off: gone: {off[-2]}, {off[-1]}"
    ]
    none = default.calendar.model_copy(update={"off": ()})
    assert changes(default, default.model_copy(update={"calendar": none})) == [
        f"calendar.off: gone: {len(off)} days, {off[0]} to {off[-1]}"
    ]


def test_the_ladder_is_told_as_a_whole(default: Catalogue) -> None:
    shorter = default.model_copy(update={"ladder": default.ladder[2:3]})
    [line] = changes(default, shorter)
    assert line.endswith("→ percent 100, notify lead; owner; supervisor")
