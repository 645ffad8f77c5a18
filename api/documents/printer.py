"""Printer of pages as PDF, if the optional extra `pdf` is installed, and what pages that are printed have in common."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from api.problems import declare

HTML, PDF = "text/html", "application/pdf"
CONTENT_SECURITY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
"""Headers of a page that holds all that it needs."""
NOT_ACCEPTABLE = declare("not-acceptable", HTTPStatus.NOT_ACCEPTABLE, "Format not available")
NO_PRINTER = "This service prints no PDF: its extra `pdf` is not installed. Take the page, and print that."
Printer = Callable[[str, datetime], bytes]


def printer() -> Printer | None:
    """Return the function that prints PDF; None if the extra `pdf` is not installed."""
    try:
        from api.documents.pdf import pdf  # noqa: PLC0415 - the extra is optional
    except ImportError:
        return None
    return pdf
