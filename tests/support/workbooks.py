"""Workbooks of Excel, read as a spreadsheet reads them."""

import io
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

SPACES = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def workbook(content: bytes) -> dict[str, list[list[Any]]]:
    """Return the cells of a workbook by sheet; it must have no formula."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        book = ET.fromstring(packed.read("xl/workbook.xml"))  # noqa: S314 - our own file
        found = {}
        for place, sheet in enumerate(book.iterfind("m:sheets/m:sheet", SPACES), 1):
            tree = ET.fromstring(packed.read(f"xl/worksheets/sheet{place}.xml"))  # noqa: S314 - as above
            assert tree.find(".//m:f", SPACES) is None
            rows = tree.iterfind(".//m:row", SPACES)
            found[sheet.attrib["name"]] = [_row(row) for row in rows]
    return found


def _row(row: ET.Element) -> list[Any]:
    """Return the cells of a row; None for those that are not written."""
    found: list[Any] = []
    for cell in row:
        place = 0
        for letter in cell.attrib["r"].rstrip("0123456789"):
            place = place * 26 + ord(letter) - ord("A") + 1
        found += [None] * (place - 1 - len(found))
        found.append(_value(cell))
    return found


def _value(cell: ET.Element) -> Any:
    if cell.get("t") == "inlineStr":
        return "".join(text.text or "" for text in cell.iterfind(".//m:t", SPACES))
    number = cell.find("m:v", SPACES)
    return None if number is None else float(number.text or "")
