"""Every link inside the documentation leads somewhere."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.pages import DOCS, PAGES, ROOT, TEXTS, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_and_images_exist(page: Path) -> None:
    broken = []
    for link in links(TEXTS[page]):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        found = target.exists() and target.is_relative_to(ROOT)
        if not found or (parts.fragment and unquote(parts.fragment) not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page not in TEXTS:
            continue
        seen.add(page)
        ahead += [
            (page.parent / urlsplit(link).path).resolve() for link in links(TEXTS[page]) if not urlsplit(link).scheme
        ]
    assert sorted(str(page.relative_to(ROOT)) for page in set(PAGES) - seen) == []


def test_every_picture_is_shown() -> None:
    shown = {
        (page.parent / link).resolve() for page, text in TEXTS.items() for link in links(text) if "://" not in link
    }
    assert [str(path) for path in sorted((DOCS / "images").iterdir()) if path not in shown] == []
