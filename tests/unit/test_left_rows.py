"""Rows that a killed process has left in clear, in the temporary folder of its workbook."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from api.exports.files import remove_left_rows

WRITES = """
import io
from api.exports.files import sheets
with sheets(io.BytesIO()) as book:
    book.begin("Cases", ["caller"])
    book.write([["欧阳小明"]] * 1000)
    input(book)
"""


def test_rows_of_processes_that_have_died_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program, root = [sys.executable, "-c", WRITES], Path(__file__).parents[2]
    with subprocess.Popen(program, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writes:
        assert writes.stdout
        assert writes.stdout.read(1)
        remove_left_rows()
        [folder] = tmp_path.iterdir()
        [file] = folder.iterdir()
        assert "欧阳小明" in file.read_text(encoding="utf-8")
        writes.kill()
        writes.wait(60)
    (tmp_path / "hotline-workbook-new").mkdir()
    remove_left_rows()
    assert [each.name for each in tmp_path.iterdir()] == ["hotline-workbook-new"]
