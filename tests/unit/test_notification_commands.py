"""`hotline letters` and `hotline channels`, called as the operator calls them."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from activities.notifications.channels.log import LogConfig
from activities.notifications.channels.sms import SmsConfig
from demo import __main__ as demo
from hotline.cli import main as cli
from hotline.files.channels import load_channels
from hotline.local import service as local_service
from hotline.settings import Settings
from readmodel.base.database import engine, reading, writing
from readmodel.migrate import migrate
from readmodel.notifications import Failure, Results, dead_letters, record, route, take
from readmodel.projection import write
from tests.support.batches import call, published
from tests.support.outage import down


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def dead(tmp_path: Path) -> list[str]:
    """Keys of two dead letters."""
    url = f"sqlite:///{tmp_path / 'hotline.db'}"
    migrate(url)
    database = engine(url)
    batches = [published(call(place), ())[0] for place in range(2)]
    keys = [f"{batch.number}-1-dispatcher" for batch in batches]
    now = datetime.now(UTC)
    with writing(database) as connection:
        write(connection, batches)
        route(connection, lambda *_: ["log"], now, limit=10)
        take(connection, "log", lambda *_: None, now, limit=10)
        failed = tuple(Failure(key, "no such number", None) for key in keys)
        record(connection, "log", Results(failed=failed), now)
    database.dispose()
    return keys


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `hotline ...`."""
    monkeypatch.setattr(sys, "argv", ["hotline", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_dead_letters_are_listed_and_sent_again(
    dead: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("letters", "list", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert all(key in shown for key in dead)
    assert "no such number" in shown
    assert run("letters", "resend", dead[0], monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "1 dead letters are due again\n"
    assert run("letters", "resend", "--all", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "1 dead letters are due again\n"


def test_one_wrong_key_among_good_ones_sends_nothing_again(
    dead: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("letters", "resend", *dead, "nobody", monkeypatch=monkeypatch) == 2
    assert "nothing is sent again: nobody is unknown" in capsys.readouterr().err
    assert run("letters", "resend", "--all", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "2 dead letters are due again\n"


@pytest.mark.parametrize("options", [(), ("--surge",)], ids=["day", "surge"])
def test_a_demo_reaches_nobody_though_the_operator_has_channels(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTLINE_CHANNELS", str(tmp_path / "channels.toml"))
    played: list[Settings] = []

    async def play(settings: Settings, *_: object) -> int:
        played.append(settings)
        return 0

    monkeypatch.setattr(demo, "play_with_service", play)
    assert CliRunner().invoke(demo.app, ["--up", *options]).exit_code == 0
    given = local_service.environment(played[0])
    monkeypatch.setenv("HOTLINE_CHANNELS", given["HOTLINE_CHANNELS"])
    found = load_channels(Settings().channels)
    remote = [channel for channel in found.channels.values() if not isinstance(channel, LogConfig)]
    for channel in remote:
        assert isinstance(channel, SmsConfig)
        assert urlsplit(channel.url).netloc == "127.0.0.1:9", "the port `discard`, where nobody listens"
        assert channel.to == "0760-00000000", "a number that cannot exist"
    assert bool(remote) is (options == ())


@pytest.mark.parametrize("which", ["--all", "a key"])
def test_with_sql_down_nothing_is_sent_again_and_the_command_says_why(
    dead: list[str], tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The command waits for seconds for SQLite's lock, as it should; a test need not.
    monkeypatch.setattr("readmodel.base.database.BUSY_SECONDS", 0)
    database = engine(f"sqlite:///{tmp_path / 'hotline.db'}")
    chosen = ["--all"] if which == "--all" else dead
    with down(database):
        assert run("letters", "resend", *chosen, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert (said.out, "the database does not answer as it should: database is locked" in said.err) == ("", True)
    with reading(database) as connection:
        assert {letter.key for letter in dead_letters(connection).items} == {*dead}
    database.dispose()


@pytest.mark.parametrize("arguments", [[], ["--all", "a-key"]])
def test_either_keys_or_all_are_named(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("letters", "resend", *arguments, monkeypatch=monkeypatch) == 2
    assert "accepted: keys of dead letters, or --all" in capsys.readouterr().err


def test_a_file_of_channels_is_checked_with_its_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "channels.toml"
    file.write_text('[channels.log]\nkind = "log"\n[[routes]]\nto = "*"\nchannels = ["log"]\n', encoding="utf-8")
    assert run("channels", "check", str(file), monkeypatch=monkeypatch) == 0
    assert "1 channels, 1 routes" in capsys.readouterr().out
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "subject.zh.txt").write_text("{{ caller }}", encoding="utf-8")
    monkeypatch.setenv("HOTLINE_TEMPLATES", str(templates))
    assert run("channels", "check", str(file), monkeypatch=monkeypatch) == 2
    assert "subject.zh.txt: line 1: there is no field caller; accepted: number" in capsys.readouterr().err
    # The service does not start on it either, rather than have its worker die again and again.
    monkeypatch.setenv("HOTLINE_CHANNELS", str(file))
    assert run("up", monkeypatch=monkeypatch) == 2
    assert run("worker", monkeypatch=monkeypatch) == 2


def test_a_route_to_a_department_that_the_catalogue_lacks_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "channels.toml"
    routes = "".join(
        f'[[routes]]\nto = "{to}"\nchannels = ["log"]\n' for to in ("department:repair", "department:repiar", "lead:*")
    )
    file.write_text(f'[channels.log]\nkind = "log"\n{routes}', "utf-8")
    assert run("channels", "check", str(file), monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err
    assert "the route to department:repiar names no department of the catalogue; accepted: repair, network" in said
    assert "department:repair " not in said
    file.write_text(file.read_text("utf-8").replace("repiar", "metering"), "utf-8")
    assert run("channels", "check", str(file), monkeypatch=monkeypatch) == 0
