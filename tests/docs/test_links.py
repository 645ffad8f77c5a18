"""Every link inside the documentation leads somewhere."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.pages import DOCS, PAGES, ROOT, TEXTS, anchors, links


def leads_somewhere(page: Path, link: str) -> bool:
    """Return True if the link is an address, or a file of this repository with the heading that it names."""
    parts = urlsplit(link)
    if parts.scheme:
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not parts.fragment or unquote(parts.fragment) in anchors(target.read_text(encoding="utf-8"))


def test_relative_links_and_images_exist() -> None:
    every = [
        (str(page.relative_to(ROOT)), link, leads_somewhere(page, link))
        for page in PAGES
        for link in links(TEXTS[page])
    ]
    assert every
    assert [(page, link) for page, link, leads in every if not leads] == []


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
