"""Generator of the documentation's computed parts: `python -m tools.docs.generate`.

Some pages are generated as a whole. Other pages are written by hand and contain blocks between
`<!-- generated: NAME -->` and `<!-- end -->`. A test fails if a file differs from what this program writes.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tools.docs import catalogue, chain, incidents, interface, keys, outages, rights, saved_views, tables
from tools.docs.markdown import table

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "docs/lifecycle.md": tables.lifecycle_page,
    "docs/catalogue.md": catalogue.catalogue_page,
    "docs/images/chain.svg": chain.picture,
    "api/openapi.json": interface.written_document,
}
"""Pages that are generated as a whole."""


def decisions() -> str:
    """Return the table of the decisions."""
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    titles = ((page, page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")) for page in pages)
    return table(("number", "decision"), ((f"[{title[:4]}]({page.name})", title[5:]) for page, title in titles))


BLOCKS: dict[str, Callable[[], str]] = {
    "settings": tables.settings,
    "bodies": tables.bodies,
    "glossary-actions": tables.glossary_actions,
    "glossary-states": tables.glossary_states,
    "glossary-part-states": tables.glossary_part_states,
    "glossary-incident-states": tables.glossary_incident_states,
    "glossary-incident-events": tables.glossary_incident_events,
    "glossary-assessment-events": tables.glossary_assessment_events,
    "make-targets": interface.make_targets,
    "metrics": interface.metrics,
    "incident-diagram": incidents.diagram,
    "incident-actions": incidents.actions,
    "problems": tables.problems,
    "rights": rights.rights,
    "action-rights": rights.actions,
    "personal-data": rights.personal_data,
    "temporal-ui-rights": rights.temporal_ui,
    "search-attributes": tables.search_attributes,
    "saved-views": saved_views.names,
    "outages": outages.outages,
    "routes": interface.routes,
    "commands": interface.commands,
    "decisions": decisions,
    "options": keys.options,
    "catalogue-keys": keys.catalogue,
    "channel-keys": keys.channels,
    "registration": keys.registration,
    "filters": keys.filters,
}
"""Blocks in pages that are written by hand."""

_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return the page with every block replaced. Raises KeyError for an unknown block."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}", text)


def handwritten() -> list[Path]:
    """Return the pages that are written by hand, sorted by path."""
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return sorted(page for page in pages if str(page.relative_to(ROOT)) not in PAGES)


def generated() -> list[Path]:
    """Return the pages with generated parts, without computing them."""
    return [*(ROOT / name for name in PAGES), *(page for page in handwritten() if _BLOCK.search(_text(page)))]


def rendered(page: Path) -> str:
    """Return the expected text of one of these pages."""
    whole = PAGES.get(str(page.relative_to(ROOT)))
    return whole() if whole else filled(_text(page))


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def main() -> None:
    """Write the pages that have changed, and print their names."""
    for page, text in [(page, rendered(page)) for page in generated()]:
        if not page.exists() or _text(page) != text:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")
            sys.stdout.write(f"written: {page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
