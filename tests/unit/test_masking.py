"""Masking: what is left of callers' personal data, and for whom."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from domain.case.actions.comment import Commented
from domain.rights.rights import (
    PERSONAL_DATA,
    Sight,
    mask_account,
    mask_address,
    mask_agent,
    mask_name,
    mask_phone,
    mask_words,
    masked,
    masks_for,
    street_of,
)
from domain.shared.actors import Role

MASKED = [
    (mask_name, "陈先生", "陈*生"),
    (mask_name, "陈梅", "陈*"),
    (mask_name, "欧阳小明", "欧**明"),
    (mask_name, "陈", "*"),
    (mask_name, "Mary Turner", "M**y T****r"),
    (mask_name, "Mr. Ho", "M*. H*"),
    (mask_phone, "13800138000", "138****8000"),
    (mask_phone, "138 0013 8000", "138****8000"),
    (mask_phone, "+86 138-0013-8000", "138****8000"),
    (mask_phone, "0760 8823 7777", "**********77"),
    (mask_phone, "88237777", "******77"),
    (mask_phone, "(0760)88238777转8", "***********78"),
    (mask_phone, "120", "**0"),
    (mask_account, "0420013", "*****13"),
    (mask_account, "HW-00-420013", "*********013"),
    (mask_account, "7", "*"),
    (mask_address, "下闸新村 3 号", "下闸新村 ***"),
    (mask_address, "石岐区悦来南路十二号二楼", "石岐区悦来南路***"),
    (mask_address, "三乡镇市场旁", "三乡镇***"),
    (mask_address, "Rose Court, Flat 2", "Rose Court, Flat ***"),
    (mask_address, "12 High Street", "***"),
    (mask_address, "家", "***"),
    (mask_address, "", ""),
    (street_of, "石岐区悦来南路十二号二楼", "石岐区悦来南路"),
    (street_of, "三乡镇市场旁", "三乡镇市场旁"),
    (street_of, "12 High Street", ""),
    (mask_agent, "0760 88230001", "**********01"),
    (mask_agent, "+86 138 0013 8000", "138****8000"),
    (mask_agent, "Agent13800138000", "Agent138****8000"),
    (mask_agent, "(0760)8823.0001", "**********01"),
    (mask_agent, "８８２３０００１-chen", "******01-chen"),
    (mask_agent, "100123", "100123"),
    (mask_words, "请打13800138000，或2608034711004", "请打138****8000，或2608034711004"),
    (mask_words, "请打１３８００１３８０００或138 0013 8000", "请打138****8000或138****8000"),
    (mask_words, "013712345678 或 139.1234.5678 或 138  0013  8000", "137****5678 或 139****5678 或 138****8000"),
    (mask_words, "(138)00138000 138/0013/8000 138—0013—8000", "(138****8000 138****8000 138****8000"),
    (mask_words, "138·0013·8000，138_0013_8000，138\n0013 8000", "138****8000，138****8000，138****8000"),
    (mask_words, "137-0000-2222、+86 138 0013 8000、8613700003333", "137****2222、138****8000、137****3333"),
]


@pytest.mark.parametrize(("mask", "text", "left"), MASKED)
def test_what_is_left_of_a_text(mask: Callable[[str], str], text: str, left: str) -> None:
    assert mask(text) == left


def test_fields_are_masked_wherever_they_stand_and_named_once() -> None:
    caller = {"name": "陈先生", "phone": "13800138000", "account_no": None}
    content = {"items": [{"data": {"intake": {"caller": caller}}}, {"caller": caller}], "name": "陈先生"}
    shown, names = masked(content, masks_for(Role.MANAGER, ended=False))
    left = {"name": "陈*生", "phone": "138****8000", "account_no": None}
    assert shown == {"items": [{"data": {"intake": {"caller": left}}}, {"caller": left}], "name": "陈先生"}
    assert names == ["caller.name", "caller.phone"]
    assert caller["name"] == "陈先生"


def test_a_masked_model_has_no_field_that_was_not_given() -> None:
    data = Commented(note="call 13800138000")
    shown, _ = masked(data, masks_for(Role.MANAGER, ended=False))
    assert (data.model_dump(), shown.model_dump()) == ({"note": data.note}, {"note": "call 138****8000"})


def test_an_instant_is_no_telephone_number() -> None:
    shown, hidden = masked({"due_at": "2026-11-29T01:46:24.921570Z", "words": "01:46:24.921570"}, {"caller.name": str})
    assert (shown, hidden) == ({"due_at": "2026-11-29T01:46:24.921570Z", "words": "146****1570"}, [])


def test_who_sees_everything_clear_gets_the_very_same() -> None:
    content = {"caller": {"name": "陈先生"}, "description": "13800138000"}
    assert masked(content, masks_for(Role.AGENT, ended=True)) == (content, [])


def test_a_crew_sees_the_caller_until_the_case_has_ended() -> None:
    assert not masks_for(Role.CREW, ended=False)
    assert {"caller.phone", "location.address", "location.lat"} <= masks_for(Role.CREW, ended=True).keys()


def test_a_dispatcher_sees_the_place_alone() -> None:
    assert masks_for(Role.DISPATCHER, ended=False).keys() >= {"caller.name", "caller.phone", "caller.account_no"}
    assert not any(field.startswith("location.") for field in masks_for(Role.DISPATCHER, ended=True))


@pytest.mark.parametrize("role", [Role.MANAGER, Role.CALLER])
def test_a_role_that_no_row_names_sees_nothing_clear(role: Role) -> None:
    assert {kind.sight_of(role) for kind in PERSONAL_DATA} == {Sight.MASKED}


class Said(NamedTuple):
    words: str


@pytest.mark.parametrize("kind", [tuple, list, set, frozenset, Said._make])
def test_what_is_within_any_collection_is_masked(kind: Callable[[list[str]], object]) -> None:
    shown, _ = masked({"words": kind(["call 13800138000"])}, masks_for(Role.DISPATCHER, ended=True))
    assert "13800138000" not in str(shown)
    assert type(shown["words"]) is type(kind(["-"]))
