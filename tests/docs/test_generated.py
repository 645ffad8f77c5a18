"""Parts of the documentation computed from the code: each is what the code says today."""

from pathlib import Path

import pytest

from domain.case.actions import ACTIONS
from domain.case.lifecycle import State
from tests.support.pages import ALL, ROOT, examples, page
from tools.docs.generate import BLOCKS, generated, rendered


@pytest.mark.parametrize("path", sorted(generated()), ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_parts_are_fresh(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == rendered(path), "stale: run `make docs`"


def test_every_block_is_used() -> None:
    assert [name for name in BLOCKS if f"<!-- generated: {name} -->" not in ALL] == []


def test_the_drawn_lifecycle_has_every_state_and_action() -> None:
    [diagram] = [example.text for example in examples(page("docs/lifecycle.md")) if example.language == "mermaid"]
    assert [state for state in State if f"{state.value}: " not in diagram] == []
    assert [row.name for row in ACTIONS if row.targets and row.name not in diagram] == []
