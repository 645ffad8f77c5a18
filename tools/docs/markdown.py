"""Markdown of the generated pages."""

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def bullets(items: Iterable[str]) -> str:
    """Return a Markdown list."""
    return "".join(f"- {item}\n" for item in items)
