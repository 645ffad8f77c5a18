"""Reader of customers (客户档案) in a CSV file, as spreadsheets save it."""

from functools import partial
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.catalogue.catalogue import Catalogue
from domain.customers.customer import Customer
from domain.shared.codes import UNKNOWN_CODE
from domain.shared.explain import message
from hotline.files.columns import ColumnFile, Row

COLUMNS = {
    "account_no": "户号",
    "name": "姓名",
    "phone": "电话",
    "address": "地址",
    "district": "区域",
    "meter": "水表",
    "customer_class": "客户类别",
    "hardship": "困难户",
    "hardship_grounds": "困难原因",
    "free_allowance_m3": "免费水量",
    "notes": "备注",
}
"""Columns by name, with the Chinese name. Optional ones may be left out."""
REQUIRED = tuple(name for name in COLUMNS if Customer.model_fields[name].is_required())
_IN_CHINESE = {
    "hardship": {"是": "yes", "否": "no"},
    "customer_class": {"居民": "household", "单位": "business"},
}


def load_customers(path: Path, encoding: str, catalogue: Catalogue) -> list[Customer]:
    """Return the customers of this file, each account once.

    Args:
        path: a CSV file with a line of column names.
        encoding: `utf-8` or `gb18030`, which is GBK and more.
        catalogue: has the districts that the column `district` names, by code or name.

    Raises:
        FileError: the file, or any line of it, cannot be used.
        OSError: it cannot be read.
    """
    source = ColumnFile(path, COLUMNS, REQUIRED)
    found = source.read(encoding, partial(_customer, source, catalogue))
    source.check()
    return [customer for _, customer in found]


def _customer(source: ColumnFile, catalogue: Catalogue, given: Row) -> Customer | None:
    """Return the customer of a line, or note its faults."""
    for name, words in _IN_CHINESE.items():
        if name in given:
            given[name] = words.get(given[name], given[name])
    if account_no := given.get("account_no"):
        source.note_repeated(account_no, ", account_no: this account stands on line {} already")
    try:
        return Customer.model_validate(given, context={"codes": catalogue.code})
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            source.fault(_explained(fault))
    return None


def _explained(fault: ErrorDetails) -> str:
    """Return the column and what it accepts. The value is not repeated: it may be personal."""
    if not fault["loc"]:
        return f", hardship: {message(fault)}"
    name = str(fault["loc"][0])
    if fault["type"] == UNKNOWN_CODE:
        return f", {name}: {message(fault)}"
    missing = "is missing; " if fault["type"] == "missing" else ""
    return f", {name}: {missing}accepted: {Customer.model_fields[name].description}"
