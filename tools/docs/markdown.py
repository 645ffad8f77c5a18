"""Markdown of the generated pages."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

WIDTH = 150
"""Characters of a line."""
Entry = tuple[str, str]
"""Name of a key or option, and its meaning."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def bullets(items: Iterable[str]) -> str:
    """Return a Markdown list."""
    wrapped = textwrap.TextWrapper(WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapped.fill(f"- {item}") for item in items) + "\n"


def sections(entries: Mapping[str, Sequence[Entry]]) -> str:
    """Return a list with an item for each section; what several sections have alike is explained once, ahead."""
    uses = Counter(entry for section in entries.values() for entry in dict.fromkeys(section))
    shared = [entry for entry, times in uses.items() if times > 1 and entry[1].endswith(".")]
    rows = []
    for head, section in entries.items():
        rest = [(name, "" if (name, meaning) in shared else meaning) for name, meaning in section]
        rows.append(f"{head}: {' '.join(explained(rest))}")
    return f"{bullets(explained(shared))}\n{bullets(rows)}"


def explained(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a sentence for each name with its meaning, for neighbours with one meaning together."""
    for meaning, alike in groupby(entries, lambda entry: entry[1]):
        names = ", ".join(f"`{name}`" for name, _ in alike)
        sentence = f"{names}{':' * bool(meaning and meaning[0] != '(')} {meaning}".rstrip()
        yield sentence if sentence.endswith((".", "?")) else f"{sentence}."
