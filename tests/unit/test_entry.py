"""The begin and end of every process: private files, Python's own exit codes, nothing printed lost."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hotline.entry import make_private
from hotline.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]


def ended(body: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """The end of a process whose main has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    imports = "import atexit, logging, os, subprocess, sys\nfrom hotline import entry"
    code = f"{imports}\ndef main():\n{lines}\nentry.run_main(main)\n"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | {"PYTHONPATH": str(ROOT)}
    usual: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": env}
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, text=True, check=False, **(usual | options))  # type: ignore[call-overload, no-any-return]  # options of every type


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(2)", 2, ""),
        ("sys.exit(-1)", 255, ""),
        ("sys.exit('no such file')", 1, "no such file\n"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong\n"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt\n"),
    ],
)
def test_a_process_ends_with_the_code_and_words_that_python_gives(body: str, code: int, said: str) -> None:
    done = ended(body)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.endswith(said)
    assert bool(done.stderr) is bool(said)


def test_what_was_printed_logged_and_left_to_the_exit_is_done(tmp_path: Path) -> None:
    log, mark = tmp_path / "log", tmp_path / "mark"
    body = f"""
atexit.register(lambda: open({str(mark)!r}, "w").write("done"))
buffered = logging.handlers.MemoryHandler(10, target=logging.FileHandler({str(log)!r}))
logging.getLogger().addHandler(buffered)
logging.error("logged")
sys.stdout.write("printed")
raise SystemExit(3)
"""
    done = ended(f"import logging.handlers\n{body.strip()}")
    assert (done.returncode, done.stdout, done.stderr) == (3, "printed", "")
    assert (log.read_text(encoding="utf-8"), mark.read_text(encoding="utf-8")) == ("logged\n", "done")


def test_the_interpreter_is_not_taken_down() -> None:
    """Threads of Temporal's SDK may need it to the last. Objects of modules are what a teardown would delete."""
    body = """
class Deleted:
    def __del__(self, write=os.write):
        write(1, b"taken down")
main.kept = Deleted()
"""
    assert ended(body.strip()).stdout == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_no_success() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert ended("sys.stdout.write('a key')", stdout=full).returncode == 120


def test_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    child = "open('of_the_child', 'w')"
    body = f"os.mkdir('folder')\nopen('file', 'w')\nsubprocess.run([sys.executable, '-c', {child!r}])"
    assert ended(body, cwd=tmp_path, umask=0).returncode == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"folder": 0o700, "file": 0o600, "of_the_child": 0o600}


def test_a_wide_folder_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    make_private(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o2700


def test_a_folder_that_everybody_shares_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(SettingsError, match=r"HOTLINE_DATA_DIR: .* accepted: a folder of the service's own"):
        make_private(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_a_folder_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    make_private(tmp_path / "data")
    assert not (tmp_path / "data").exists()
