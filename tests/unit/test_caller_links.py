"""Tokens of callers' links: nobody can read, change or forge one; they expire."""

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from activities.sealing.keys import LINK_VALID, Link, Links
from tests.support.rings import ring_at

NUMBER, NOON = "2608034711004", datetime(2026, 8, 3, 4, tzinfo=UTC)


def test_a_link_tells_nobody_what_it_holds(tmp_path: Path) -> None:
    links = Links(ring_at(tmp_path / "keys.json"))
    text = links.make(NUMBER, 2, NOON)
    assert re.fullmatch(r"[\w-]{48}", text)
    assert text == links.make(NUMBER, 2, NOON)
    content = base64.urlsafe_b64decode(text)
    assert not [fact for fact in (NUMBER.encode(), int(NUMBER).to_bytes(6), b"chen") if fact in content]
    # Two links differ in the first byte after the key's id already: nothing of one can be put into another.
    assert base64.urlsafe_b64decode(links.make(NUMBER, 3, NOON))[4:8] != content[4:8]


def test_no_other_text_is_a_link(tmp_path: Path) -> None:
    """Each change of a character, and each of another length."""
    links = Links(ring_at(tmp_path / "keys.json"))
    text = links.make(NUMBER, 1, NOON)
    changed = [f"{text[:at]}{'A' if text[at] != 'A' else 'B'}{text[at + 1 :]}" for at in range(len(text))]
    for wrong in (
        *changed,
        "",
        text[:-1],
        text[:-4],
        f"{text}A",
        f"{text}AAAA",
        f"{text}=",
        f"{text}\n",
        "热线",
        NUMBER,
    ):
        assert links.read(wrong) is None


def test_processes_with_one_file_of_keys_read_each_others_links(tmp_path: Path) -> None:
    one, same, other = (Links(ring_at(tmp_path / name / "keys.json")) for name in ("a", "a", "b"))
    text = one.make(NUMBER, 2, NOON)
    link = same.read(text)
    assert link == Link(NUMBER, 2, NOON)
    assert other.read(text) is None
    assert [link.has_expired(NOON + LINK_VALID - left) for left in (timedelta(seconds=1), timedelta(0))] == [
        False,
        True,
    ]
