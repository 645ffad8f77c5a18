"""Printer of pages as PDF, if the optional extra `pdf` is installed, and what pages that are printed have in common."""

import asyncio
import io
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus

from api.edge.problems import ProblemError, declare

HTML, PDF = "text/html", "application/pdf"
CONTENT_SECURITY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
"""Headers of a page that holds all that it needs."""
NOT_ACCEPTABLE = declare("not-acceptable", HTTPStatus.NOT_ACCEPTABLE, "Format not available")
NO_PRINTER = "This service prints no PDF: its extra `pdf` is not installed. Take the page, and print that."
Printer = Callable[[str, datetime], bytes]
"""Returns an HTML page as PDF, dated as given. Fonts are the machine's; used glyphs are embedded."""
_LOCK = threading.Lock()
"""One at a time: a page takes 50 ms and its fonts take memory, so parallel printing gains nothing."""


async def printed_with(print_pdf: Printer | None, html: str, issued_at: datetime, accepted: Sequence[str]) -> bytes:
    """Return the page as PDF. Raises ProblemError, with what is accepted instead, if there is no printer."""
    if print_pdf is None:
        raise ProblemError(NOT_ACCEPTABLE, NO_PRINTER, accepted=[*accepted])
    return await asyncio.to_thread(print_pdf, html, issued_at)


def printer() -> Printer | None:
    """Return the function that prints PDF; None if the extra `pdf` is not installed."""
    try:
        import plutoprint  # noqa: PLC0415 - the extra is optional
    except ImportError:
        return None

    class EmptyFetcher(plutoprint.ResourceFetcher):
        """Fetcher that returns nothing for any address: a document holds all that it needs."""

        def fetch_url(self, url: str) -> plutoprint.ResourceData:  # noqa: ARG002 - the library's signature
            return plutoprint.ResourceData(b"", "text/plain")

    def pdf(html: str, issued_at: datetime) -> bytes:
        with _LOCK:
            book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
            book.custom_resource_fetcher = EmptyFetcher()
            book.load_html(html)
            book.set_metadata(plutoprint.PDF_METADATA_CREATION_DATE, issued_at.isoformat(timespec="seconds"))
            printed = io.BytesIO()
            book.write_to_pdf_stream(printed)
        return printed.getvalue()

    return pdf
