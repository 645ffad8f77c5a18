"""Rows that a killed process has left in clear, in the temporary folder of its workbook."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from api.exports.files import remove_left_rows

DIES = """
import io, os, signal
from api.exports.files import sheets
with sheets(io.BytesIO()) as book:
    book.begin("Cases", ["caller"])
    book.write([["欧阳小明"]] * 1000)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rows_of_processes_that_have_died_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", DIES], cwd=Path(__file__).parents[2], check=False, timeout=60)
    [folder] = tmp_path.iterdir()
    [file] = folder.iterdir()
    assert (ended.returncode, "欧阳小明" in file.read_text(encoding="utf-8")) == (-signal.SIGKILL, True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        in_use = tmp_path / f"hotline-workbook-{alive.pid}-x"
        in_use.mkdir()
        remove_left_rows()
        assert [*tmp_path.iterdir()] == [in_use]
