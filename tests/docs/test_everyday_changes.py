"""The everyday changes that CONTRIBUTING lists, with the files that each takes."""

import re

import pytest

from tests.support.pages import ROOT, names, page, section


def items(text: str) -> list[str]:
    """Return the items of the lists of a text, each in one line."""
    return [re.sub(r"\s+", " ", item) for item in re.findall(r"^- (.+(?:\n  .+)*)", text, re.MULTILINE)]


CHANGES, _, LAYERS = section(page("CONTRIBUTING.md"), "Everyday changes").partition("\n### ")
TABLE = [
    (change, files) for item in items(CHANGES) for change, files in re.findall(r"^\*\*([a-z\[].*?)\*\*: (.+)", item)
]
NOTES = [item for item in items(CHANGES) if re.match(r"\*\*[A-Z]", item)]
STEPS = [(file, step) for item in items(LAYERS) for file, _, step in [item.partition(": ")]]
MOST_FILES = 2
SAID = [f"{change} {files}" for change, files in TABLE + STEPS] + NOTES
"""Every change, step and note that names symbols and files."""


def test_every_change_is_listed_once() -> None:
    assert len({change for change, _ in TABLE}) == len(TABLE) == 20
    assert len({step for _, step in STEPS}) == len(STEPS) == 40
    assert len(TABLE) + len(NOTES) == len(items(CHANGES))


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


@pytest.mark.parametrize(("file", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_step_of_a_change_in_several_layers_has_one_file(file: str, step: str) -> None:
    [path] = names(file)
    assert (ROOT / path).exists(), step
