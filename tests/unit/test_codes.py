"""A service, district or department is given by its code or by a name that can mean no other."""

import pytest
from pydantic import ValidationError

from domain.case.actions.dispatch import Dispatch
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.norms import Department
from domain.shared.codes import CodeKind, UnknownCode, words
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)


def named(*names: tuple[str, str, str]) -> Catalogue:
    """The default catalogue with these departments: code, English and Chinese name."""
    departments = tuple(Department(code=code, name=name, name_zh=zh) for code, name, zh in names)
    return CATALOGUE.model_copy(update={"departments": departments})


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("service", "no_water", "no_water"),
        ("service", "NO_WATER", "no_water"),
        ("service", "No water", "no_water"),
        ("service", "停水/无水", "no_water"),
        ("service", "停水", "no_water"),
        ("service", "无水", "no_water"),
        ("service", "Bill", "billing"),
        ("district", "West", "west"),
        ("district", "west  district", "west"),
        ("district", " Ｗｅｓｔ ", "west"),
        ("district", "西区", "west"),
        ("department", "抢修", "repair"),
        ("department", "抢修队", "repair"),
        ("department", "Emergency", "repair"),
    ],
)
def test_a_name_stands_for_its_code(kind: CodeKind, given: str, code: str) -> None:
    assert CATALOGUE.code(kind, given) == code


@pytest.mark.parametrize("given", ["", " ", "moon", "area west", "西", "W", "x" * 41, "West!", "区"])
def test_what_is_no_name_is_answered_with_all_codes_and_names(given: str) -> None:
    with pytest.raises(UnknownCode, match="there is no such district; accepted: shiqi ") as unknown:
        CATALOGUE.code("district", given)
    assert unknown.value.accepted == words(CATALOGUE.districts)
    assert {"west", "West District", "西区街道"} < {*unknown.value.accepted}


def test_what_may_be_several_is_answered_with_these() -> None:
    with pytest.raises(UnknownCode, match="this may be any of several districts") as unknown:
        CATALOGUE.code("district", "NAN")
    assert unknown.value.accepted == ("nanlang", "Nanlang", "南朗街道", "nantou", "Nantou", "南头镇")


@pytest.mark.parametrize("given", ["water", "Wat", "WATER"])
def test_a_beginning_that_stands_in_another_name_may_be_either(given: str) -> None:
    with pytest.raises(UnknownCode, match="this may be any of several services") as unknown:
        CATALOGUE.code("service", given)
    assert unknown.value.accepted[::3] == ("water_quality", "no_water")


def test_the_more_exact_name_wins() -> None:
    catalogue = named(("west", "Pipes", "管网"), ("pipes", "West", "西区/管网部"), ("mains", "West End", "管网部二组"))
    assert catalogue.code("department", "west") == "west"
    assert catalogue.code("department", "pipes") == "pipes"
    assert catalogue.code("department", "管网部") == "pipes"
    assert catalogue.code("department", "West E") == "mains"
    with pytest.raises(UnknownCode, match="several") as twice:
        catalogue.code("department", "West")
    assert twice.value.accepted[::3] == ("west", "pipes")


def test_without_a_catalogue_codes_alone_are_taken() -> None:
    """As in updates from the Temporal UI."""
    assert Dispatch.model_validate({"department": "repair"}).department == "repair"
    with pytest.raises(ValidationError, match="pattern"):
        Dispatch.model_validate({"department": "抢修"})
    context = {"codes": CATALOGUE.code}
    assert Dispatch.model_validate({"department": "抢修"}, context=context).department == "repair"
