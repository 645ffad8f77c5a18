"""The everyday changes that CONTRIBUTING lists, with the files that each takes."""

import re

import pytest

from tests.support.pages import ROOT, cells, names, page, section

CHANGES = section(page("CONTRIBUTING.md"), "Everyday changes")
NAMED = [cell for cell in cells(CHANGES, 0) if not cell.startswith("---")]
ROWS = list(zip(NAMED, cells(CHANGES, 1), strict=True))
LAYERS = ROWS.index(("step", "file"))
TABLE, STEPS = ROWS[1:LAYERS], [row for row in ROWS[LAYERS:] if row != ("step", "file")]
MOST_FILES = 2
BULLETS = re.split(r"^- ", CHANGES.partition("### ")[0], flags=re.MULTILINE)[1:]
SAID = [f"{change} {files}" for change, files in TABLE + STEPS] + BULLETS
"""Every row and every bullet that names symbols and files."""


def test_every_change_is_listed_once() -> None:
    assert len({change for change, _ in TABLE}) == len(TABLE) == 22
    assert len({step for step, _ in STEPS}) == len(STEPS) == 41


@pytest.mark.parametrize(("change", "files"), TABLE, ids=[change for change, _ in TABLE])
def test_the_files_of_a_change_exist_and_are_few(change: str, files: str) -> None:
    paths = [ROOT / name for name in names(files) if "/" in name]
    assert 1 <= len(paths) <= MOST_FILES, change
    assert [path for path in paths if not path.exists()] == []


@pytest.mark.parametrize("text", SAID, ids=[text.splitlines()[0][:40] for text in SAID])
def test_symbols_that_a_change_names_are_in_a_file_that_it_names(text: str) -> None:
    """A table or a set in capitals, as `_COUNTED`; a class, as `ClockName`."""
    paths = [ROOT / name for name in names(text) if "/" in name]
    files = [path for each in paths for path in (each.glob("*.py") if each.is_dir() else [each])]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    symbols = [name for name in names(text) if re.fullmatch(r"_?[A-Z]\w*", name)]
    assert [name for name in symbols if not re.search(rf"^(class )?{name}\b", source, re.MULTILINE)] == []


@pytest.mark.parametrize(("step", "file"), STEPS, ids=[step for step, _ in STEPS])
def test_a_step_of_a_change_in_several_layers_has_one_file(step: str, file: str) -> None:
    [path] = names(file)
    assert (ROOT / path).exists(), step
