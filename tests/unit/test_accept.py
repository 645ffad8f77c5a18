"""Page or PDF: what the `Accept` header of a request asks for (RFC 9110)."""

import pytest

from api.complaints.routes import prefers_pdf


@pytest.mark.parametrize(
    ("accept", "pdf"),
    [
        ("application/pdf", True),
        ("Application/PDF ; q=0.9 , text/html;q=0.8", True),
        ("application/*, text/html;q=0.3", True),
        ("application/pdf, */*;q=0.1", True),
        ("*/*", False),
        ("", False),
        ("text/html, application/pdf", False),
        ("application/pdf;q=0, */*", False),
        ("application/pdf;q=much", False),
        ("image/png", False),
    ],
)
def test_a_pdf_is_for_who_would_rather_have_one(accept: str, pdf: bool) -> None:
    assert prefers_pdf(accept) is pdf
