"""A notice of urging (催办通知书) as PDF: one page of A4 that needs no font of its reader's, and fetches nothing."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.pdf_pages import page_sizes, uncompressed
from tools.docs import documents

if not os.environ.get("CI"):
    pytest.importorskip("plutoprint", reason="no library prints PDF here: pip install 'plutoprint>=0.23'")
from api.documents import Printer, printer

pdf: Printer = printer()  # type: ignore[assignment]  # the library is there, as said above
ISSUED = datetime(2026, 8, 5, 4, tzinfo=UTC)


def test_it_is_one_page_of_a4_with_its_chinese_font_in_it() -> None:
    printed = pdf(documents.notice(), ISSUED)
    assert printed.startswith(b"%PDF-")
    assert page_sizes(printed) == [[210, 297]]
    text = uncompressed(printed)
    assert b"/FontFile" in text
    # What a reader copies out of it: 催, of 催办通知书.
    assert b"<50ac>" in text.lower()


def test_printed_again_it_is_the_same_document() -> None:
    assert pdf(documents.notice(), ISSUED) == pdf(documents.notice(), ISSUED)


def test_nothing_is_fetched_for_it(tmp_path: Path) -> None:
    """A style sheet of the machine's would make it A5; a browser's policy forbids it as well."""
    style = tmp_path / "small.css"
    style.write_text("@page { size: A5 !important } * { display: none !important }", encoding="utf-8")
    html = documents.notice().replace("</head>", f'<link rel="stylesheet" href="{style.as_uri()}"></head>')
    assert pdf(html, ISSUED) == pdf(documents.notice(), ISSUED)
