"""Conditions for the demo to begin, and what it says if one is missing."""

import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from demo import __main__ as demo
from demo.__main__ import CATALOGUE as DEMO
from demo.__main__ import DemoOptions, perform
from demo.people import Person
from demo.plans import Offer, require_demo_catalogue
from domain.shared.actors import Role
from domain.shared.errors import OperatorError
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings
from tests.support.directory import Directory


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def administrator(settings: Settings) -> str:
    """The administrator's key of a service that was prepared; it is in the file as well."""
    key = Directory(settings.database_url).enter("admin", Role.ADMIN)
    (settings.data_dir / "admin.key").write_text(f"{key}\n")
    return key


def options() -> "partial[DemoOptions]":
    usual: dict[str, Any] = {"cases": 300, "seed": 1, "day_seconds": 0.0, "deadline": 0.0}
    return partial(DemoOptions, url="http://127.0.0.1:9", **usual)


async def play(settings: Settings) -> int:
    ready = partial(demo.with_keys, options(), settings.data_dir / "admin.key", settings)
    return await demo.play(perform, ready)


class TestPlay:
    async def test_without_a_key_it_says_where_keys_are(self, settings: Settings) -> None:
        with pytest.raises(OperatorError, match=r"admin\.key cannot be read.*--data-dir.*--key-file.*--up"):
            await play(settings)

    async def test_without_a_service_it_gives_up_at_the_deadline(self, settings: Settings) -> None:
        administrator(settings)
        with pytest.raises(OperatorError, match=r"no answer from http://127\.0\.0\.1:9/v1/services"):
            await play(settings)

    async def test_a_key_that_is_none_is_told_apart(self, settings: Settings) -> None:
        (settings.data_dir / "admin.key").write_text("hello\n")
        with pytest.raises(OperatorError, match="an API key is hk_"):
            await play(settings)


@pytest.mark.parametrize("name", ["HOTLINE_DATABASE_URL", "hotline_database_url"])
def test_its_own_service_takes_no_stores_of_another_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Settings take the names of variables in any case."""
    monkeypatch.setenv(name, "sqlite:////production/hotline.db")
    with pytest.raises(OperatorError, match=f"start it without {name}"):
        demo.demo(own_service=True)


def test_it_plays_on_no_catalogue_of_a_real_service() -> None:
    offers = [_offer(DEMO), _offer(DEFAULT_CATALOGUE)]
    require_demo_catalogue(offers[:1], "http://127.0.0.1:9")
    with pytest.raises(OperatorError, match=r"http://127\.0\.0\.1:9 has a catalogue of real promises.*demo\.toml"):
        require_demo_catalogue(offers[1:], "http://127.0.0.1:9")


def _offer(catalogue: Path) -> Offer:
    promises = load_catalogue(catalogue).terms("leak", None, datetime.now(UTC)).promises
    budgets: dict[str, float] = {promise.name: promise.budget_seconds for promise in promises}
    return Offer("leak", "漏水", "supply", "repair", answer_needs_follow_up=False, budgets=budgets)


class TestKeys:
    def test_people_of_the_demo_get_keys_of_the_service(self, settings: Settings) -> None:
        admin_key = administrator(settings)
        somebody = Person("容锦荣", Role.CREW, "repair")
        made = [demo.make_keys(settings, admin_key, [somebody])[somebody.name] for _ in range(2)]
        found = Directory(settings.database_url).read()
        [person] = [person for person in found.people if person.id == somebody.name]
        assert (person.role, person.department) == (Role.CREW, "repair")
        keys = [key for key in found.keys if key.id in [token[3:11] for token in made]]
        assert [(key.revoked_at, key.expires_at and key.expires_at - key.created_at) for key in keys] == [
            (None, demo.KEYS_LAST)
        ] * 2, "those of a reader of the demo go on, and those of the demo end by themselves"

    def test_another_service_keeps_its_directory_to_itself(self, settings: Settings, tmp_path: Path) -> None:
        elsewhere = administrator(Settings(data_dir=tmp_path / "there"))
        assert demo.make_keys(settings, elsewhere, [Person("容锦荣", Role.CREW, "repair")]) == {}


class TestOperator:
    """Commands that the demo runs on its own service, as an operator does."""

    @pytest.mark.slow
    async def test_a_command_that_cannot_succeed_stops_the_demo_and_says_why(self, settings: Settings) -> None:
        with pytest.raises(OperatorError, match=r"`hotline customers import .*nothing\.csv` failed: .*nothing\.csv"):
            await demo._operate(settings, "customers", "import", str(settings.data_dir / "nothing.csv"))

    async def test_a_command_that_says_so_is_run_again(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries = settings.data_dir / "tries"
        program = settings.data_dir / "program"
        program.write_text(f"#!/bin/sh\necho once >> {tries}\n[ $(wc -l < {tries}) -ge 3 ]\n")
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
        monkeypatch.setattr(demo, "RETRY_SECONDS", 0.0)
        await demo._operate(settings, "catalogue", "apply", "any.toml")
        assert tries.read_text() == "once\n" * 3


class TestCommand:
    @pytest.mark.parametrize("surge", [(), ("--surge",)])
    def test_has_at_least_60_cases(self, surge: tuple[str, ...]) -> None:
        result = CliRunner().invoke(demo.app, [*surge, "--cases", "59"])
        assert result.exit_code == 2
        assert "60" in result.output

    @pytest.mark.parametrize(("surge", "cases"), [((), 320), (("--surge",), 2000)])
    def test_has_its_usual_size(
        self, surge: tuple[str, ...], cases: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        administrator(settings)
        played: list[DemoOptions] = []

        async def show(options: DemoOptions, _console: Console) -> bool:
            played.append(options)
            return True

        monkeypatch.setattr(demo, "perform", show)
        result = CliRunner().invoke(demo.app, [*surge, "--data-dir", str(settings.data_dir)])
        assert result.exit_code == 0, result.output
        assert [options.cases for options in played] == [cases]
