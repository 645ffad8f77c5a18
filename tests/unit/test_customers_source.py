"""A file of customers is taken whole or not at all, and every broken line is named."""

from decimal import Decimal
from pathlib import Path

import pytest

from domain.customers.customer import Customer
from domain.shared.errors import FileError
from hotline.cli.imports import CUSTOMER_COLUMNS, load_customers
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.pages import ROOT

HEAD = "account_no,name,phone,hardship,hardship_grounds,free_allowance_m3,district\n"
CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)


def file_of(folder: Path, text: str | bytes) -> Path:
    path = folder / "customers.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def load(folder: Path, text: str | bytes, encoding: str = "utf-8") -> list[Customer]:
    return load_customers(file_of(folder, text), encoding, CATALOGUE)


def problems(folder: Path, text: str | bytes, encoding: str = "utf-8") -> list[str]:
    """Return the problems found in the file, without its name."""
    with pytest.raises(FileError) as refused:
        load(folder, text, encoding)
    return [problem.removeprefix(f"{folder / 'customers.csv'}, ") for problem in refused.value.problems]


def test_the_example_of_the_documentation_can_be_imported() -> None:
    granny, chen, wong = load_customers(ROOT / "docs" / "examples" / "customers.csv", "utf-8", CATALOGUE)
    assert (granny.name, granny.hardship, granny.free_allowance_m3) == ("李婆婆", True, Decimal(6))
    assert (chen.hardship, chen.free_allowance_m3) == (False, None)
    assert wong.name == "Wong & Sons, Laundry"


@pytest.mark.parametrize("name", ["姓名", "户名"])
def test_columns_may_stand_in_any_order_be_left_out_or_be_named_in_chinese(tmp_path: Path, name: str) -> None:
    (found,) = load(tmp_path, f"{name},户号,困难户\n李婆婆,17,是\n")
    assert found == Customer(account_no="17", name="李婆婆", hardship=True)
    assert CUSTOMER_COLUMNS.keys() == Customer.model_fields.keys()


@pytest.mark.parametrize("written", ["yes", "是", "true", "1", "Y"])
def test_yes_is_written_in_many_ways(tmp_path: Path, written: str) -> None:
    (found,) = load(tmp_path, f"account_no,name,hardship\n17,Li,{written}\n")
    assert found.hardship


@pytest.mark.parametrize(
    "phone",
    [
        "88238777",
        "(0760)88238777",
        "（0760） 8823 8777",
        "0760-88238777转8",
        "88238777 ext 8",
        "88238777 EXT.123",
        "(0760)88238777#8",
    ],
)
def test_a_telephone_is_kept_as_it_is_written(tmp_path: Path, phone: str) -> None:
    (found,) = load(tmp_path, f"account_no,name,phone\n17,Li,{phone}\n")
    assert found.phone == phone


@pytest.mark.parametrize("phone", ["转8", "88238777转", "88238777 extension 8", "88238777/88238778", "1" * 27, "()"])
def test_a_telephone_that_cannot_be_read_is_a_broken_line(tmp_path: Path, phone: str) -> None:
    (said,) = problems(tmp_path, f"account_no,name,phone\n17,Li,{phone}\n")
    assert said.startswith("line 2, phone: accepted: Telephone")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("户号,姓名\r\n17,李婆婆\r\n".encode(), "utf-8"),
        ("户号,姓名\r\n17,李婆婆\r\n".encode("utf-8-sig"), "utf-8"),
        ("户号,姓名\r\n17,李婆婆\r\n".encode("gbk"), "gb18030"),
        ("户号,姓名\r\n17,李婆婆\r\n".encode("gb18030"), "gb18030"),
    ],
    ids=["utf-8", "utf-8 with a mark", "gbk", "gb18030"],
)
def test_what_spreadsheets_in_china_save_is_read(tmp_path: Path, data: bytes, encoding: str) -> None:
    assert load(tmp_path, data, encoding) == [Customer(account_no="17", name="李婆婆")]


def test_the_wrong_encoding_is_named_with_the_one_to_try(tmp_path: Path) -> None:
    gbk = "account_no,name\n1,Li\n17,李婆婆\n".encode("gbk")
    assert problems(tmp_path, gbk) == ["line 3: this is not utf-8; try --encoding gb18030"]


def test_every_broken_line_is_named_with_its_column_and_what_is_accepted(tmp_path: Path) -> None:
    lines = (
        "1,Li,0760 8823 7777,yes,低保,6,west",
        "2,Wang,call me,no,,3,west",
        "3,,,maybe,,6.555,",
        "4,Zhou",
        "",
        '5,"Liang\nand sons",,,,,',
        "1,Li again,,,,,",
        "6,Xu,,no,低保,,",
    )
    assert problems(tmp_path, HEAD + "\n".join(lines) + "\n") == [
        "line 3, phone: accepted: Telephone: 3 to 25 digits, spaces, dashes, brackets; 转8 or ext 8 after them.",
        "line 4, name: is missing; accepted: Name, 1 to 80 characters.",
        "line 4, hardship: accepted: Hardship household (困难户): yes or no.",
        "line 4, free_allowance_m3: accepted: Free allowance in m³ a month, 0 to 999999.99, two decimals at most.",
        "line 5: 2 columns, the first line names 7. Quote text that has commas",
        "line 9, account_no: this account stands on line 2 already",
        "line 10, hardship: grounds are given, so hardship must be yes",
    ]


@pytest.mark.parametrize("written", ["west", "West", "West District", "西区", "西区街道", " ｗｅｓｔ "])
def test_a_district_is_written_by_code_or_name(tmp_path: Path, written: str) -> None:
    (found,) = load(tmp_path, f"account_no,name,district\n17,Li,{written}\n")
    assert found.district == "west"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("moon", "there is no such district; accepted: shiqi (Shiqi / 石岐街道), east (East District / 东区街道), "),
        ("West!", "there is no such district; accepted: shiqi (Shiqi / 石岐街道), east (East District / 东区街道), "),
        (
            "nan",
            "this may be any of several districts; accepted: nanlang (Nanlang / 南朗街道), nantou (Nantou ",
        ),
    ],
)
def test_another_district_is_answered_with_the_known_ones(tmp_path: Path, written: str, said: str) -> None:
    (problem,) = problems(tmp_path, f"account_no,name,district\n17,Li,{written}\n")
    assert problem.startswith(f"line 2, district: {said}")


def test_what_stands_in_a_broken_line_is_not_repeated(tmp_path: Path) -> None:
    said = problems(tmp_path, f"{HEAD}1,Li,secret,,,,\n")
    assert "secret" not in said[0]


def test_a_first_line_that_names_other_columns_is_explained(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "account_no,Name,phone,phone\n")
    assert said.startswith("line 1: columns unknown: 'Name'; missing: 'name'; named twice: 'phone'. Accepted")
    assert "hardship_grounds (困难原因)" in said


@pytest.mark.parametrize("text", ["", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    (said,) = problems(tmp_path, text)
    assert said.startswith("line 1: the file is empty")


def test_a_quotation_mark_that_is_left_open_is_found(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, 'account_no,name\n1,"Li\n2,Wang\n')
    assert said.startswith("line 2: unexpected end of data")


def test_the_class_of_a_customer_may_be_left_out_and_is_named_in_either_language(tmp_path: Path) -> None:
    text = "户号,姓名,客户类别\n1,李婆婆,\n2,Laundry,business\n3,小吃店,单位\n4,陈静,居民\n"
    assert [each.customer_class for each in load(tmp_path, text)] == ["household", "business", "business", "household"]
    [problem] = problems(tmp_path, "account_no,name,customer_class\n1,Wong,shop\n")
    assert problem == "line 2, customer_class: accepted: Class of the customer: household or business."
