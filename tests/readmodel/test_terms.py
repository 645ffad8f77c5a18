"""A case is found by what staff hear: pieces of a name, a number, an address."""

import pytest

from domain.case.intake import Caller, Intake, Location
from readmodel.cases.search_terms import (
    MOST_TERMS,
    address_term,
    alternatives,
    impersonal_terms,
    phone_term,
    phone_terms,
    query_terms,
    search_terms,
)

INTAKE = Intake(
    service_code="no_water",
    caller=Caller(name="欧阳 Anna Lee", phone="+86 138-0013 8000", account_no="A-0018"),
    location=Location(district="west", address="下闸新村3号 Block B"),
    description="家里没水。The tap is shut; call 13912345678.",
)
NUMBER = "2609070000017"


@pytest.mark.parametrize(
    "q",
    [
        "2609070000017",
        "+86 138-0013 8000",
        "8613800138000",
        "8000",
        "A-0018",
        "a0018",
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
        "村",
        "阳",
        "水",
        "没水",
        "shut tap",
        "家里没水 下闸",
        "13912345678",
    ],
)
def test_found(q: str) -> None:
    assert query_terms(q)
    assert query_terms(q) <= search_terms(NUMBER, INTAKE)


@pytest.mark.parametrize("q", ["下闸", "block b", NUMBER, NUMBER[-4:], "没水", "水", "tap"])
def test_places_numbers_and_descriptions_are_impersonal(q: str) -> None:
    assert query_terms(q) <= impersonal_terms(NUMBER, INTAKE)


@pytest.mark.parametrize("q", ["欧阳", "anna", "8000", "13800138000", "A-0018", "13912345678", "139", "5678"])
def test_what_comes_from_the_caller_or_is_a_mobile_number_is_personal(q: str) -> None:
    assert not query_terms(q) & impersonal_terms(NUMBER, INTAKE)


@pytest.mark.parametrize("q", ["村下", "138", "ann", "water", "0138", "下闸村", "闸新 新下", "水没"])
def test_not_found(q: str) -> None:
    assert not query_terms(q) <= search_terms(NUMBER, INTAKE)


@pytest.mark.parametrize("q", ["", "  ", "—?!"])
def test_nothing_to_seek(q: str) -> None:
    assert query_terms(q) == frozenset()


def test_a_long_question_counts_by_its_beginning() -> None:
    words = [f"word{place}" for place in range(50)]
    assert query_terms(" ".join(words)) == frozenset(words[:MOST_TERMS])


def test_a_case_without_caller_and_place_is_found_by_its_number() -> None:
    assert search_terms(NUMBER, Intake(service_code="thanks", description="-")) == {NUMBER, NUMBER[-4:]}


def test_one_chinese_character_is_a_term_and_longer_text_is_cut_into_twos() -> None:
    assert query_terms("水") == {"水"}
    assert query_terms("家里没水") == {"家里", "里没", "没水"}


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
        ("8613800138000", "13800138000"),
        ("013800138000", "13800138000"),
        ("0 138-0013-8000", "13800138000"),
        ("+86 013800138000", "13800138000"),
        ("0086-0138 0013 8000", "13800138000"),
        ("86-013800138000", "13800138000"),
        ("00 1 380 013 8000", "0013800138000"),
        ("+86 12345", "12345"),
        ("+86 10086", "10086"),
        ("+86 95598", "95598"),
        ("+86 400 800 8888", "4008008888"),
        ("+86 10 6552 9988", "01065529988"),
        ("0086-20-8823 7777", "02088237777"),
        ("010 8823 7777", "01088237777"),
        ("(0760)88237777", "076088237777"),
        ("（0760）8823 7777", "076088237777"),
        ("0760-88237777转8", "076088237777"),
        ("0760 8823 7777 ext. 12", "076088237777"),
    ],
)
def test_a_telephone_number_has_one_term_however_it_is_written(phone: str, term: str) -> None:
    assert phone_term(phone) == term


@pytest.mark.parametrize(
    ("phone", "term"),
    [
        ("88237777", "076088237777"),
        ("8823-7777", "076088237777"),
        ("2231234", "07602231234"),
        ("88237777转8", "076088237777"),
        ("0760 8823 7777", "076088237777"),
        ("020 8823 7777", "02088237777"),
        ("13800138000", "13800138000"),
        ("12345", "12345"),
        ("12345678", "12345678"),
        ("4008882377", "4008882377"),
        ("+852 2345 6789", "85223456789"),
    ],
)
def test_a_number_of_seven_or_eight_digits_is_one_of_the_place(phone: str, term: str) -> None:
    assert phone_term(phone, "0760") == term


@pytest.mark.parametrize("said", ["88237777", "0760-88237777", "+86 138 0013 8000", "8613800138000", "110"])
def test_what_was_kept_as_it_was_said_is_among_the_terms(said: str) -> None:
    again = phone_terms(said, "0760")
    assert again[0] == phone_term(said, "0760")
    assert {"".join(filter(str.isdigit, said)), phone_term(said)} <= set(again)


@pytest.mark.parametrize("q", ["88237777", "0760 8823 7777", "(0760)88237777", "+86 760-88237777"])
@pytest.mark.parametrize("said", ["88237777", "0760-88237777"])
def test_a_telephone_is_sought_with_and_without_the_area_code(q: str, said: str) -> None:
    kept = search_terms(NUMBER, Intake(service_code="no_water", caller=Caller(phone=said), description="-"))
    assert any(terms <= kept for terms in alternatives(q, "0760"))


WAYS = "13800138000", "013800138000", "+86 138 0013 8000", "+86 013800138000", "86-013800138000"


@pytest.mark.parametrize("q", WAYS)
@pytest.mark.parametrize("said", WAYS)
def test_a_mobile_number_is_sought_however_it_is_written(q: str, said: str) -> None:
    kept = search_terms(NUMBER, Intake(service_code="no_water", caller=Caller(phone=said), description="-"))
    assert any(terms <= kept for terms in alternatives(q, "0760"))


def test_what_is_no_telephone_is_sought_in_one_way() -> None:
    for q in ("下闸新村", "A-0018", "7777", NUMBER):
        assert alternatives(q, "0760") == [query_terms(q)]


@pytest.mark.parametrize("written", ["下闸新村 3 号", "下闸新村3号", "下闸新村，３号"])
def test_an_address_has_one_term_however_it_is_spaced(written: str) -> None:
    assert address_term(written) == "=下闸新村3号"


@pytest.mark.parametrize("nothing", [None, "", " - "])
def test_no_address_has_no_term(nothing: str | None) -> None:
    assert address_term(nothing) is None


def test_a_whole_address_cannot_be_typed_as_a_term() -> None:
    assert query_terms("=下闸新村3号") == query_terms("下闸新村3号")
