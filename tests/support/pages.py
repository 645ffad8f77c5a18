"""Contents of the documentation that its tests read: pages, their tables, links, names and examples."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())

_FENCE = re.compile(r"^```([a-z]*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


class Example(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def page(name: str) -> str:
    """The text of a page, by its path from the root."""
    return TEXTS[ROOT / name]


def examples(text: str, name: str = "") -> list[Example]:
    """The fenced blocks, in order."""
    return [Example(name, language, body) for language, body in _FENCE.findall(text)]


def all_examples(*languages: str) -> list[Example]:
    """The fenced blocks of these languages on every page."""
    found = [example for path, text in TEXTS.items() for example in examples(text, str(path.relative_to(ROOT)))]
    return [example for example in found if example.language in languages]


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text)


def names(text: str) -> set[str]:
    """Return the texts between backticks, outside of fenced blocks."""
    return set(_CODE.findall(prose(text)))


def links(text: str) -> list[str]:
    """Return the targets of a page's links and images."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as they are made where Markdown is shown."""
    titles = (re.sub(r"[`*]", "", title.strip().lower()) for _, title in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def section(text: str, title: str) -> str:
    """Return the text under a heading, its subsections included."""
    found = re.search(rf"^(#+) {re.escape(title)}[^\n]*\n", text, re.MULTILINE)
    assert found, f"no heading starts with {title!r}"
    rest = text[found.end() :]
    after = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: after.start()] if after else rest


def cells(text: str, place: int) -> list[str]:
    """One column of the tables of a text, with its head."""
    rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|"))
    return [row[place].strip() for row in rows if len(row) > place]


def column(text: str, place: int) -> list[str]:
    """The names between backticks in one column of the tables of a text."""
    return [name for cell in cells(text, place) for name in _CODE.findall(cell)]


def listed(text: str) -> list[str]:
    """The names between backticks at the beginning of the items of a text's lists."""
    return re.findall(r"^- `([^`\n]+)`", text, re.MULTILINE)
