"""Documents as PDF. Importing this module raises ImportError if the optional extra `pdf` is not installed."""

import io
import threading
from datetime import datetime

import plutoprint

_LOCK = threading.Lock()
"""One at a time: a page takes 50 ms and its fonts take memory, so parallel printing gains nothing."""


class _EmptyFetcher(plutoprint.ResourceFetcher):
    """Fetcher that returns nothing for any address: a document holds all that it needs."""

    def fetch_url(self, url: str) -> plutoprint.ResourceData:  # noqa: ARG002 - the library's signature
        return plutoprint.ResourceData(b"", "text/plain")


def pdf(html: str, issued_at: datetime) -> bytes:
    """Return an HTML page as PDF, dated `issued_at`. Fonts are the machine's; used glyphs are embedded."""
    with _LOCK:
        book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
        book.custom_resource_fetcher = _EmptyFetcher()
        book.load_html(html)
        book.set_metadata(plutoprint.PDF_METADATA_CREATION_DATE, issued_at.isoformat(timespec="seconds"))
        printed = io.BytesIO()
        book.write_to_pdf_stream(printed)
    return printed.getvalue()
