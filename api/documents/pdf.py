"""Documents as PDF, by the library of the optional extra `pdf`; without it this module cannot be imported."""

import io
import threading
from datetime import datetime

import plutoprint

_ONE_BY_ONE = threading.Lock()
"""A page takes 50 ms, and its fonts take memory: nobody gains where several are printed at once."""


class _Nothing(plutoprint.ResourceFetcher):
    """Answers every address with nothing: as in the browser, a document holds all that it needs."""

    def fetch_url(self, url: str) -> plutoprint.ResourceData:  # noqa: ARG002 - whatever it is
        return plutoprint.ResourceData(b"", "text/plain")


def pdf(html: str, issued_at: datetime) -> bytes:
    """The page as PDF, dated by its issue. Fonts are the machine's; what is used of them is embedded."""
    with _ONE_BY_ONE:
        book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
        book.custom_resource_fetcher = _Nothing()
        book.load_html(html)
        book.set_metadata(plutoprint.PDF_METADATA_CREATION_DATE, issued_at.isoformat(timespec="seconds"))
        printed = io.BytesIO()
        book.write_to_pdf_stream(printed)
    return printed.getvalue()
