"""The benchmark's command line, its load, its checkout of another commit and its table; no times."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench import against
from bench.__main__ import parse
from bench.against import BEFORE, Figures, checkout, commit_of, ratios, set_mode, table
from bench.load import PATH, UnexpectedAnswer, drive
from bench.server import ServiceError
from hotline.local.service import temporal
from hotline.settings import Settings
from tests.support.repositories import git, make_repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose working tree differs from its commit."""
    folder = make_repository(tmp_path / "repository", "file", "committed")
    (folder / "file").write_text("changed")
    (folder / "new").touch()
    monkeypatch.setattr(against, "ROOT", folder)
    return folder


@pytest.mark.usefixtures("repository")
async def test_the_checkout_has_the_files_of_the_commit_alone() -> None:
    async with checkout(await commit_of("first")) as folder:
        assert [path.name for path in folder.iterdir()] == ["file"]
        assert (folder / "file").read_text() == "committed"


async def test_the_checkout_leaves_the_working_tree_as_it_is_and_no_folder(repository: Path) -> None:
    before = git(repository, "status", "--porcelain", "--branch"), git(repository, "worktree", "list")
    async with checkout(await commit_of("HEAD")) as folder:
        pass
    assert not folder.exists()
    assert (repository / "file").read_text() == "changed"
    assert (git(repository, "status", "--porcelain", "--branch"), git(repository, "worktree", "list")) == before


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("ref", ["second", "", "-h", "HEAD:file"])
async def test_a_reference_that_is_no_commit_is_refused_by_name(ref: str) -> None:
    with pytest.raises(ServiceError, match=f"^'{ref}' is no commit .* give a branch, a tag or a commit"):
        await commit_of(ref)


def test_the_default_mode_of_sqlite_is_that_of_hotline_up(tmp_path: Path) -> None:
    default = parse([]).sqlite_synchronous
    assert f"synchronous={default}" in temporal(Settings(data_dir=tmp_path), {}, ("127.0.0.1", 8233)).argv
    assert parse(["--sqlite-synchronous", "normal"]).sqlite_synchronous == "normal" != default


def checkout_with(folder: Path, settings: str, database: str) -> Path:
    for module, text in (("hotline/settings.py", settings), ("readmodel/database.py", database)):
        (folder / module).parent.mkdir(parents=True)
        (folder / module).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("settings", "wanted", "mode", "said"),
    [
        ("sandbox: bool", None, "normal", "NORMAL"),
        ("sandbox: bool", "normal", "normal", "NORMAL"),
        ("sandbox: bool", "full", "full", "FULL"),
        ("unsafe_at_power_loss: bool", None, "full", "NORMAL"),
        ("unsafe_at_power_loss: bool", "normal", "normal", "NORMAL"),
    ],
)
def test_a_commit_without_the_setting_is_changed_for_full_alone(
    tmp_path: Path, settings: str, wanted: str | None, mode: str, said: str
) -> None:
    folder = checkout_with(tmp_path, settings, '("synchronous = NORMAL",)')
    assert set_mode(folder, wanted) == mode
    assert (folder / "readmodel" / "database.py").read_text(encoding="utf-8") == f'("synchronous = {said}",)'


def test_a_commit_that_cannot_be_changed_is_refused(tmp_path: Path) -> None:
    folder = checkout_with(tmp_path, "", "")
    with pytest.raises(ServiceError, match="cannot run with synchronous=full"):
        set_mode(folder, "full")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against", "HEAD", "--only", "cases"], "leave out --only"),
        (["--rounds", "2"], "give --against REF too"),
        (["--cases", "2"], "give --against REF too"),
        (["--ref-synchronous", "full"], "give --against REF too"),
        (["--against", "HEAD", "--rounds", "0"], "'0' should be a whole number from 1"),
        (["--against", "HEAD", "--cases", "many"], "'many' should be a whole number from 1"),
        (["--sqlite-synchronous", "off"], "choose from"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_ratio_is_the_median_of_the_ratios_within_each_round() -> None:
    def turn(rate: float) -> Figures:
        return {"cases/s": rate, "worker ms": 100 / rate, "202": 0}

    lines = table([(turn(2), turn(1)), (turn(5), turn(5)), (turn(1), turn(1))]).splitlines()
    assert [line.split() for line in lines] == [
        ["round", "cases/s", "worker", "ms", "202"],
        ["1", "this", "2.00", "50.00", "0.00"],
        ["1", "that", "1.00", "100.00", "0.00"],
        ["1", "this/that", "2.00", "0.50"],
        ["2", "this", "5.00", "20.00", "0.00"],
        ["2", "that", "5.00", "20.00", "0.00"],
        ["2", "this/that", "1.00", "1.00"],
        ["3", "this", "1.00", "100.00", "0.00"],
        ["3", "that", "1.00", "100.00", "0.00"],
        ["3", "this/that", "1.00", "1.00"],
        # Not 2.00, which the medians of the two sides would give.
        ["median", "this", "2.00", "50.00", "0.00"],
        ["median", "that", "1.00", "100.00", "0.00"],
        ["median", "this/that", "1.00", "1.00"],
    ]


def api(state: str, requests: list[str]) -> TestServer:
    """A server that accepts every action and always shows a case in this state; it notes what was asked."""

    async def handle(request: web.Request) -> web.Response:
        requests.append(f"{request.method} {request.path.rpartition('/')[2]}")
        return web.json_response({"number": "1", "state": state}, status=201 if request.method == "POST" else 200)

    application = web.Application()
    application.router.add_route("*", "/v1/complaints{more:.*}", handle)
    return TestServer(application)


async def test_each_address_gets_its_share_of_the_cases_and_each_case_is_read_at_its_end() -> None:
    ones: list[str] = []
    others: list[str] = []
    async with api("closed", ones) as one, api("closed", others) as other:
        urls = [str(server.make_url("")).rstrip("/") for server in (one, other)]
        played = await drive(urls, "key", cases=2, concurrent=1, warm=0, read=True)
    assert ones == others == ["POST complaints", *(f"POST {action}" for action, _ in PATH), "GET 1"]
    assert {name: len(times) for name, times in played.latencies.items()} == {"register": 2, "action": 12, "read": 2}


async def test_a_case_that_does_not_end_closed_ends_the_measurement() -> None:
    async with api("registered", []) as server:
        with pytest.RaisesGroup(UnexpectedAnswer):
            await drive([str(server.make_url("")).rstrip("/")], "key", cases=1, concurrent=1, warm=0, read=True)


@pytest.mark.parametrize(
    ("commit", "modes", "verdicts"),
    [
        (BEFORE, ("full", "full"), ["MISSED", "MISSED"]),
        (BEFORE, ("full", "normal"), ["ok", ""]),
        (BEFORE, ("normal", "normal"), ["", ""]),
        ("0" * 40, ("full", "full"), ["", ""]),
    ],
)
def test_a_comparison_with_the_version_before_has_bars(
    commit: str, modes: tuple[str, str], verdicts: list[str]
) -> None:
    rounds = [({"cases/s": 14.0, "together ms": 80.0}, {"cases/s": 10.0, "together ms": 100.0})]
    assert [figure.verdict for figure in ratios(rounds, commit, modes)] == verdicts
