"""The log channel writes each key once, whatever dies when."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.notifications.channels.log import LogChannel
from readmodel.notifications import Delivery, NotificationRow


def delivery(place: int, tries: int = 1) -> Delivery:
    notification = NotificationRow(
        key=f"{place}-1-dispatcher",
        number=f"{place:013}",
        seq=1,
        recipient="dispatcher",
        kind="register",
        text_zh="工单:受理",
        text_en="Case: registered",
        created_at=datetime(2026, 9, 7, tzinfo=UTC),
    )
    return Delivery(notification, tries, priority="P3", phone="13800138000")


def keys(deliveries: Sequence[Delivery]) -> list[str]:
    return [one.key for one in deliveries]


def written(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_bytes().splitlines()]


def deliver(channel: LogChannel, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
    return asyncio.run(channel.deliver(deliveries))


def delivered(channel: LogChannel, among: Sequence[str]) -> set[str]:
    return asyncio.run(channel.delivered(among))


DELIVERIES = [delivery(place) for place in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "notifications.log"


def test_a_line_says_what_was_told_to_whom(path: Path) -> None:
    assert deliver(LogChannel(path), DELIVERIES[:1]) == {}
    assert json.loads(path.read_text("utf-8")) == {
        **DELIVERIES[0].notification._asdict(),
        "created_at": "2026-09-07T00:00:00Z",
        "tries": 1,
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_finds_what_was_delivered_before(path: Path) -> None:
    deliver(LogChannel(path), DELIVERIES[:3])
    assert delivered(LogChannel(path), keys(DELIVERIES)) == {*keys(DELIVERIES[:3])}
    assert delivered(LogChannel(path.with_name("other.log")), keys(DELIVERIES)) == set()


def test_a_torn_last_line_was_never_delivered(path: Path) -> None:
    deliver(LogChannel(path), DELIVERIES[:3])
    os.truncate(path, path.stat().st_size - 5)
    later = LogChannel(path)
    assert delivered(later, keys(DELIVERIES[:3])) == {*keys(DELIVERIES[:2])}
    deliver(later, DELIVERIES[2:4])
    assert written(path) == keys(DELIVERIES[:4])


def test_a_file_that_is_one_torn_line_starts_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 200_000)
    deliver(LogChannel(path), DELIVERIES[:1])
    assert written(path) == keys(DELIVERIES[:1])


def test_a_courier_that_was_frozen_delivers_nothing_again(path: Path) -> None:
    """It had taken the deliveries; its successor asked, was told no, and delivered them."""
    frozen, successor = LogChannel(path), LogChannel(path)
    deliver(frozen, DELIVERIES[:2])
    assert delivered(successor, keys(DELIVERIES[2:5])) == set()
    deliver(successor, DELIVERIES[2:5])
    deliver(frozen, DELIVERIES[2:6])
    deliver(successor, DELIVERIES[5:7])
    assert written(path) == keys(DELIVERIES[:7])


def test_lines_of_a_try_that_failed_are_not_written_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk took the lines and failed to confirm them."""

    def fail(_: int) -> None:
        raise OSError

    channel = LogChannel(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError):  # noqa: PT011 - as raised above
            deliver(channel, DELIVERIES[:2])
    again = [one._replace(tries=2) for one in DELIVERIES[:2]]
    deliver(channel, again)
    deliver(LogChannel(path), again)
    assert written(path) == keys(DELIVERIES[:2])


def test_a_file_that_was_rotated_is_followed(path: Path) -> None:
    channel = LogChannel(path)
    deliver(channel, DELIVERIES[:2])
    path.rename(path.with_suffix(".1"))
    deliver(channel, DELIVERIES[2:4])
    assert written(path) == keys(DELIVERIES[2:4])


SCRIPT = """
import asyncio, sys
from pathlib import Path
from activities.notifications.channels.log import LogChannel
from tests.readmodel.test_log_channel import delivery

async def main():
    channel = LogChannel(Path(sys.argv[1]))
    await channel.delivered([])
    print("ready", flush=True)
    for start in range(0, 100_000, 50):
        await channel.deliver([delivery(place) for place in range(start, start + 50)])
asyncio.run(main())
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_each_key_once(path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    while path.stat().st_size < 100_000:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    channel = LogChannel(path)
    everything = [delivery(place, tries=2) for place in range(len(path.read_bytes().splitlines()) + 100)]
    there = delivered(channel, keys(everything))
    deliver(channel, [one for one in everything if one.key not in there])
    assert written(path) == keys(everything)
