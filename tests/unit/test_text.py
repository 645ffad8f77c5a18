"""Words that people give: kept in one form, and without what a reader cannot see."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from domain.case.intake import Location
from domain.customers.customer import Customer
from domain.shared.value import LINES, ONE_LINE, IncidentNumber, Name, Text

TEXT, NAME = TypeAdapter(Text), TypeAdapter(Name)
HIDDEN = [
    *("\x00", "\x07", "\x08", "\x1b", "\x7f", "\x85", "\x9b"),
    *(
        "\xad",
        "\u034f",
        "\u115f",
        "\u1160",
        "\u17b4",
        "\u17b5",
        "\u180e",
        "\u200b",
        "\u2060",
        "\u2064",
        "\u206a",
        "\u206f",
    ),
    *("\u2800", "\u3164", "\uffa0", "\ufff9", "\ufffb", "\U000e0001", "\U000e0020", "\U000e007f"),
    *("\u061c", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069", "\ufeff"),
]
"""Characters that control a terminal, cannot be seen, end a line unseen, or turn the direction of what follows."""


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda hidden: f"U+{ord(hidden):04X}")
def test_a_hidden_character_is_refused_wherever_people_write(hidden: str) -> None:
    said = f"已{hidden}批准"
    for adapter in (TEXT, NAME):
        with pytest.raises(ValidationError, match=r"type=(string_pattern_mismatch|hidden)"):
            adapter.validate_python(said)
    with pytest.raises(ValidationError, match="address"):
        Location(address=said)
    with pytest.raises(ValidationError, match="meter"):
        Customer(account_no="1", name="陈", meter=said)


@pytest.mark.parametrize(
    "said",
    [
        "两行\n和\t表",
        "👨‍👩‍👧 emoji ❤️",
        "می\u200cخواهم",
        "ක්\u200dෂ",
        "葛\U000e0100",
        "ᠠ\u180b",
        "Zoë",
        "مياه",
        "नमस्ते",
        "𠮷野家",
    ],
)
def test_words_of_every_script_are_kept(said: str) -> None:
    assert TEXT.validate_python(said) == said


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
def test_a_name_has_no_joiners(joiner: str) -> None:
    """Two names that look the same would be two people."""
    with pytest.raises(ValidationError, match="string_pattern_mismatch"):
        NAME.validate_python(f"陈{joiner}伟")


@pytest.mark.parametrize("pattern", [LINES, ONE_LINE])
def test_the_patterns_are_written_as_every_language_reads_them(pattern: str) -> None:
    """OpenAPI shows them as ECMA-262: ASCII, and no escape but that of a byte or of four digits."""
    assert pattern.isascii()
    assert re.fullmatch(r"\^\[\^(\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|-)+\]\*\$", pattern)
    re.compile(pattern)


def test_the_ends_of_lines_and_the_forms_of_a_character_are_one() -> None:
    assert TEXT.validate_python("一\r\n二\r三") == "一\n二\n三"
    assert NAME.validate_python("Zoe\u0308") == "Zo\u00eb"


@pytest.mark.parametrize("said", ["梁伟\n已批准", "梁伟\r\n\t已批准", "梁伟 \t 已批准"])
def test_a_name_is_shown_on_one_line(said: str) -> None:
    assert NAME.validate_python(said) == "梁伟 已批准"


@pytest.mark.parametrize("said", ["i26080347119", "I26080347119", " I26080347119 "])
def test_the_number_of_an_incident_is_one_in_capitals_too(said: str) -> None:
    assert TypeAdapter(IncidentNumber).validate_python(said) == "i26080347119"
