"""The everyday changes that CONTRIBUTING lists, with the files that each takes."""

import pytest

from tests.support.pages import ROOT, cells, names, page, section

CHANGES = section(page("CONTRIBUTING.md"), "Everyday changes")
NAMED = [cell for cell in cells(CHANGES, 0) if not cell.startswith("---")]
TABLE = list(zip(NAMED, cells(CHANGES, 1), strict=True))[1:]
MOST_FILES = 2


def test_ten_changes_are_listed() -> None:
    assert len(TABLE) == 10


@pytest.mark.parametrize(("change", "files"), TABLE, ids=[change for change, _ in TABLE])
def test_the_files_of_a_change_exist_and_are_few(change: str, files: str) -> None:
    paths = [ROOT / name for name in names(files) if "/" in name]
    assert 1 <= len(paths) <= MOST_FILES, change
    assert [path for path in paths if not path.exists()] == []
