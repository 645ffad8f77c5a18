"""The everyday changes that CONTRIBUTING lists, with the files that each takes."""

import pytest

from tests.support.pages import ROOT, cells, names, page, section

CHANGES = section(page("CONTRIBUTING.md"), "Everyday changes")
NAMED = [cell for cell in cells(CHANGES, 0) if not cell.startswith("---")]
ROWS = list(zip(NAMED, cells(CHANGES, 1), strict=True))
LAYERS = ROWS.index(("step", "file"))
TABLE, STEPS = ROWS[1:LAYERS], [row for row in ROWS[LAYERS:] if row != ("step", "file")]
MOST_FILES = 2


def test_every_change_is_listed_once() -> None:
    assert len({change for change, _ in TABLE}) == len(TABLE) == 22
    assert len({step for step, _ in STEPS}) == len(STEPS) == 38


@pytest.mark.parametrize(("change", "files"), TABLE, ids=[change for change, _ in TABLE])
def test_the_files_of_a_change_exist_and_are_few(change: str, files: str) -> None:
    paths = [ROOT / name for name in names(files) if "/" in name]
    assert 1 <= len(paths) <= MOST_FILES, change
    assert [path for path in paths if not path.exists()] == []


@pytest.mark.parametrize(("step", "file"), STEPS, ids=[step for step, _ in STEPS])
def test_a_step_of_a_change_in_several_layers_has_one_file(step: str, file: str) -> None:
    [path] = names(file)
    assert (ROOT / path).exists(), step
