"""Markdown of the generated pages."""

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def bullets(texts: Iterable[str]) -> str:
    """Return a Markdown list."""
    return "".join(f"- {text}\n" for text in texts)


def items(rows: Iterable[tuple[str, str]]) -> str:
    """Return a Markdown list of names with their meanings; takes less room than a table of two columns."""
    return bullets(f"`{name}`: {meaning}" for name, meaning in rows)
