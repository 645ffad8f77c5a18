"""Page sizes and text of a PDF, without a library that reads it."""

import importlib.util
import os
import re
import zlib

import pytest

printer_needed = pytest.mark.skipif(
    importlib.util.find_spec("plutoprint") is None and not os.environ.get("CI"),
    reason="no library prints PDF here: pip install 'plutoprint>=0.23'",
)
"""Mark of tests that print PDF: without the library they are skipped, or fail with CI=1."""


def uncompressed(pdf: bytes) -> bytes:
    """Return the file, followed by its streams uncompressed."""
    streams = (found[1] for found in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL))
    return b"\n".join([pdf, *(zlib.decompressobj().decompress(one) for one in streams if one[:1] == b"x")])


def page_sizes(pdf: bytes) -> list[list[int]]:
    """Return width and height of each page, in millimetres."""
    text = uncompressed(pdf)
    found = re.findall(rb"/MediaBox\s*\[([^]]+)\]", text)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", text)) == len(found)
    return [[round(float(side) * 25.4 / 72) for side in box.split()[2:]] for box in found]
