"""A case is found by what staff hear: pieces of a name, a number, an address."""

import pytest

from domain.intake import Caller, Intake, Location
from readmodel.terms import MOST, address_term, phone_term, sought, terms_of

INTAKE = Intake(
    service_code="no_water",
    caller=Caller(name="欧阳 Anna Lee", phone="+86 138-0013 8000", account_no="A-0017"),
    location=Location(district="west", address="下闸新村3号 Block B"),
    description="No water.",
)
NUMBER = "2609070000017"


@pytest.mark.parametrize(
    "q",
    [
        "2609070000017",
        "+86 138-0013 8000",
        "8613800138000",
        "8000",
        "A-0017",
        "a0017",
        "欧阳",
        "anna",
        "LEE Anna",
        "下闸",
        "闸新村",
        "新村 下闸",
        "３号",
        "下闸新",
        "村3",
        "下闸新村3号 block b",
        "下闸，欧阳",
    ],
)
def test_found(q: str) -> None:
    assert sought(q)
    assert sought(q) <= terms_of(NUMBER, INTAKE)


@pytest.mark.parametrize("q", ["村下", "138", "ann", "water", "0138", "下闸村", "闸新 新下"])
def test_not_found(q: str) -> None:
    assert not sought(q) <= terms_of(NUMBER, INTAKE)


@pytest.mark.parametrize("q", ["", "  ", "—?!", "村"])
def test_nothing_to_seek(q: str) -> None:
    assert sought(q) == frozenset()


def test_a_long_question_counts_by_its_beginning() -> None:
    words = [f"word{place}" for place in range(50)]
    assert sought(" ".join(words)) == frozenset(words[:MOST])


def test_a_case_without_caller_and_place_is_found_by_its_number() -> None:
    assert terms_of(NUMBER, Intake(service_code="thanks", description="-")) == {NUMBER}


@pytest.mark.parametrize(
    ("phone", "term"),
    [
        ("0760 8823 7777", "076088237777"),
        ("0760-88237777", "076088237777"),
        ("+86 760 8823 7777", "076088237777"),
        ("0086 0760 8823 7777", "076088237777"),
        ("+86 138-0013 8000", "13800138000"),
        ("138 0013 8000", "13800138000"),
        ("+852 2345 6789", "85223456789"),
        ("86112233", "86112233"),
    ],
)
def test_a_telephone_number_has_one_term_however_it_is_written(phone: str, term: str) -> None:
    assert phone_term(phone) == term


@pytest.mark.parametrize("written", ["下闸新村 3 号", "下闸新村3号", "下闸新村，３号"])
def test_an_address_has_one_term_however_it_is_spaced(written: str) -> None:
    assert address_term(written) == "=下闸新村3号"


@pytest.mark.parametrize("nothing", [None, "", " - "])
def test_no_address_has_no_term(nothing: str | None) -> None:
    assert address_term(nothing) is None


def test_a_whole_address_cannot_be_typed_as_a_term() -> None:
    assert sought("=下闸新村3号") == sought("下闸新村3号")
