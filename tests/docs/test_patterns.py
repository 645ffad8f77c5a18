"""The page of patterns: each has one excerpt of the code, as the code is today."""

import re
import textwrap
from pathlib import Path

import pytest

from tests.support.pages import ROOT, examples, names, page

PAGE = page("docs/patterns.md")
PATTERNS = dict(re.findall(r"^### (.+)\n((?:(?!###? ).*\n)*)", PAGE, re.MULTILINE))
MOST_LINES = 10


def parts(module: Path, length: int) -> set[str]:
    """Return every run of so many lines of a module, without its common indentation."""
    lines = module.read_text(encoding="utf-8").splitlines()
    runs = ("\n".join(lines[start : start + length]) for start in range(len(lines) - length + 1))
    return {textwrap.dedent(run) for run in runs}


@pytest.mark.parametrize(("name", "text"), PATTERNS.items(), ids=PATTERNS)
def test_the_excerpt_of_a_pattern_is_in_a_file_that_it_names(name: str, text: str) -> None:
    [excerpt] = [each.text.rstrip("\n") for each in examples(text) if each.language == "py"]
    assert len(excerpt.splitlines()) <= MOST_LINES, name
    modules = [ROOT / named for named in names(text) if named.endswith(".py")]
    assert any(excerpt in parts(module, len(excerpt.splitlines())) for module in modules), name
