"""Conditions for the demo to begin, and what it says if one is missing."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.shared.actors import Role
from domain.shared.operator_errors import OperatorError
from hotline.cli import demo
from hotline.cli import main as cli
from hotline.demo.people import Person
from hotline.demo.run import DemoOptions, perform
from hotline.keyring import Keyring, ensure_admin_key
from hotline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def options() -> "partial[DemoOptions]":
    usual: dict[str, Any] = {"cases": 300, "seed": 1, "concurrency": 1, "day_seconds": 0.0, "deadline": 0.0}
    return partial(DemoOptions, url="http://127.0.0.1:9", folder=Path("unused"), **usual)


async def play(settings: Settings) -> int:
    return await demo.play(perform, options(), settings.data_dir / "admin.key", settings.keys_file)


class TestPlay:
    async def test_without_a_key_it_says_where_keys_are(self, settings: Settings) -> None:
        with pytest.raises(OperatorError, match=r"admin\.key cannot be read.*--data-dir.*--key-file.*--up"):
            await play(settings)

    async def test_without_a_service_it_gives_up_at_the_deadline(self, settings: Settings) -> None:
        ensure_admin_key(Keyring(settings.keys_file), settings.data_dir / "admin.key")
        with pytest.raises(OperatorError, match=r"no answer from http://127\.0\.0\.1:9/v1/services"):
            await play(settings)

    async def test_a_key_that_is_none_is_told_apart(self, settings: Settings) -> None:
        (settings.data_dir / "admin.key").write_text("hello\n")
        with pytest.raises(OperatorError, match="an API key is hk_"):
            await play(settings)


class TestKeys:
    def test_people_get_keys_of_the_ring_that_the_service_asks(self, tmp_path: Path) -> None:
        ring = Keyring(tmp_path / "keys.json")
        _, admin_key = ring.create("admin", Role.ADMIN)
        make_key = demo._key_maker(tmp_path / "keys.json", admin_key)
        assert make_key is not None
        key = ring.verify(make_key(Person("容锦荣", Role.CREW, "repair")))
        assert key is not None
        assert (key.name, key.role, key.department) == ("容锦荣", Role.CREW, "repair")

    def test_people_whose_keys_are_lost_get_new_ones_for_them(self, tmp_path: Path) -> None:
        ring = Keyring(tmp_path / "keys.json")
        make_key = demo._key_maker(tmp_path / "keys.json", ring.create("admin", Role.ADMIN)[1])
        assert make_key is not None
        person = Person("容锦荣", Role.CREW, "repair")
        lost, made = make_key(person), make_key(person)
        assert (ring.verify(lost), ring.verify(made) is None) == (None, False)

    def test_another_service_keeps_its_ring_to_itself(self, tmp_path: Path) -> None:
        _, elsewhere = Keyring(tmp_path / "there.json").create("admin", Role.ADMIN)
        assert demo._key_maker(tmp_path / "here.json", elsewhere) is None


class TestCommand:
    def test_a_day_has_at_least_300_cases(self) -> None:
        result = CliRunner().invoke(cli.app, ["demo", "--cases", "299"])
        assert result.exit_code == 2
        assert "300" in result.output

    def test_a_surge_has_at_least_60(self) -> None:
        result = CliRunner().invoke(cli.app, ["demo", "--surge", "--cases", "59"])
        assert result.exit_code == 2
        assert "60" in result.output

    @pytest.mark.parametrize(("surge", "cases"), [(False, 320), (True, 2000)])
    def test_each_has_its_usual_size(self, *, surge: bool, cases: int) -> None:
        assert demo.number_of_cases(None, surge=surge) == cases
