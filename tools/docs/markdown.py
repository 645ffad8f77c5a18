"""Markdown of the generated pages."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

WRITTEN_BY = "<!-- Written by `python -m tools.docs.generate`; edit the code instead. -->"
WIDTH = 150
"""Characters of a line."""
Entry = tuple[str, str]
"""Name of a key or option, and its meaning."""


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


def wrapped(texts: Iterable[str]) -> str:
    """Return a Markdown list whose lines are not too long to be compared."""
    wrapper = textwrap.TextWrapper(WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(f"- {text}") for text in texts) + "\n"


def sections(title: str, entries: Mapping[str, Sequence[Entry]]) -> str:
    """Return a list, below a title, with an item for each section; what several have alike is explained once, ahead."""
    uses = Counter(entry for section in entries.values() for entry in dict.fromkeys(section))
    shared = [entry for entry, times in uses.items() if times > 1 and entry[1].endswith(".")]
    rows = []
    for head, section in entries.items():
        rest = [(name, "" if (name, meaning) in shared else meaning) for name, meaning in section]
        rows.append(f"{head}: {' '.join(explained(rest))}")
    return f"{wrapped(explained(shared))}\n{title}:\n\n{wrapped(rows)}"


def explained(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a sentence for each name with its meaning, for neighbours with one meaning together."""
    for meaning, alike in groupby(entries, lambda entry: entry[1]):
        names = ", ".join(f"`{name}`" for name, _ in alike)
        sentence = f"{names}{':' * bool(meaning and meaning[0] != '(')} {meaning}".rstrip()
        yield sentence if sentence.endswith((".", "?")) else f"{sentence}."
