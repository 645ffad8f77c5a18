"""Files of calls as a whole: encodings, torn ends, line numbers, and many faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from zoneinfo import ZoneInfo

import pytest

from domain.shared.errors import FileError
from hotline.telephony.asterisk import CDR_COLUMNS, Cdr, QueueLog
from hotline.telephony.call_lines import MOST_FAULTS, CallFile, CallFormat
from hotline.telephony.people import Agents
from readmodel.people.people import Directory
from tests.support.telephone import NOON, QUEUE_LOG, cdr

LATEST = datetime(2026, 8, 4, tzinfo=UTC)
CDR = Cdr(ZoneInfo("Asia/Shanghai"), ("from-trunk",), Agents(Directory()), LATEST)
QUEUES = QueueLog(Agents(Directory()), LATEST)
FIRST, SECOND, THIRD = (cdr(uniqueid=f"1785729600.{each}") for each in (1, 2, 3))
BAD = cdr(start="noon")


@contextmanager
def opened(folder: Path, content: str | bytes, form: CallFormat = CDR, encoding: str = "utf-8") -> Iterator[CallFile]:
    path = folder / "calls"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with path.open("rb") as file, TemporaryFile() as kept:
        yield CallFile(file, kept, form, encoding)


def ids(source: CallFile) -> list[str]:
    source.check()
    return [call.call_id.partition(".")[2] for group in source.groups() for call in group]


def problems(folder: Path, content: str | bytes, form: CallFormat = CDR, encoding: str = "utf-8") -> list[str]:
    with opened(folder, content, form, encoding) as source, pytest.raises(FileError) as refused:
        source.check()
    return [problem.removeprefix(f"{folder / 'calls'}") for problem in refused.value.problems]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_line_is_read_whatever_ends_it(tmp_path: Path, end: str) -> None:
    with opened(tmp_path, (FIRST + SECOND + "\n").replace("\n", end)) as source:
        assert ids(source) == ["1", "2"]


def test_a_line_of_names_and_a_byte_order_mark_are_skipped(tmp_path: Path) -> None:
    named = ",".join(CDR_COLUMNS) + "\n"
    with opened(tmp_path, (named + FIRST).encode("utf-8-sig")) as source:
        assert ids(source) == ["1"]
    with opened(tmp_path, QUEUE_LOG.encode("utf-8-sig"), QUEUES) as source:
        assert ids(source) == ["1", "7"]


def test_a_file_in_gbk_is_read_if_it_is_named_so(tmp_path: Path) -> None:
    row = (FIRST + cdr(clid='"李婆婆" <13800138000>', uniqueid="1785729600.2")).encode("gbk")
    assert problems(tmp_path, row) == [", line 2: this is not utf-8; try --encoding gb18030"]
    with opened(tmp_path, row, encoding="gb18030") as source:
        assert ids(source) == ["1", "2"]


@pytest.mark.parametrize("kept", [1, 60, 200, len(THIRD) - 6, len(THIRD) - 20])
def test_a_torn_last_row_is_left_out_wherever_it_is_torn(tmp_path: Path, kept: int) -> None:
    with opened(tmp_path, FIRST + SECOND + THIRD[:kept]) as source:
        assert ids(source) == ["1", "2"]
        assert source.torn_line == 3


def test_a_row_torn_after_a_column_that_may_be_the_last_is_left_out(tmp_path: Path) -> None:
    with opened(tmp_path, FIRST + cdr(16, uniqueid="1785729600.3").rstrip()) as source:
        assert ids(source) == ["1"]
        assert source.torn_line == 2


@pytest.mark.parametrize("content", [cdr(16).rstrip(), "<html>no call file</html>", '"' + "x" * 100_000])
def test_a_file_of_one_line_that_is_not_whole_is_refused(tmp_path: Path, content: str) -> None:
    (said,) = problems(tmp_path, content)
    assert said.startswith(", line 1: ")


def test_a_row_torn_within_a_character_is_left_out(tmp_path: Path) -> None:
    with opened(tmp_path, FIRST.encode() + '"李'.encode()[:-1]) as source:
        assert ids(source) == ["1"]
        assert source.torn_line == 2


def test_a_last_row_that_only_lacks_the_line_end_is_whole(tmp_path: Path) -> None:
    with opened(tmp_path, (FIRST + SECOND).rstrip()) as source:
        assert ids(source) == ["1", "2"]
        assert source.torn_line is None
    assert problems(tmp_path, (FIRST + BAD).rstrip())[0].startswith(", line 2, start: accepted: a time")


@pytest.mark.parametrize(
    "torn",
    [
        f"{NOON + 1}",
        f"{NOON + 1}|1.1|hotl",
        f"{NOON}|1.1|q|NONE|ABAN",
        f"{NOON}|1.1|q|NONE|ABANDON|1|",
        f"{NOON}|1.1|q|NONE|ABANDON|1|1|12",
    ],
)
def test_a_torn_last_line_of_a_queue_log_is_left_out(tmp_path: Path, torn: str) -> None:
    with opened(tmp_path, QUEUE_LOG + torn, QUEUES) as source:
        assert ids(source) == ["1", "7"]
        assert source.torn_line == 9
        assert not source.left_out


def test_every_faulty_line_is_named_by_its_number(tmp_path: Path) -> None:
    many_lines = cdr(clid="one\ntwo\nthree")
    said = problems(tmp_path, FIRST + BAD + many_lines + BAD)
    assert [problem.partition(", start")[0] for problem in said] == [", line 2", ", line 6"]


def test_of_many_faults_the_first_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    said = problems(tmp_path, BAD * (MOST_FAULTS + 37))
    assert len(said) == MOST_FAULTS + 1
    assert said[-1] == ": 37 further lines cannot be used"


def test_a_quotation_mark_that_is_left_open_is_found(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, FIRST + '"' + SECOND.replace('"', "") + THIRD.replace('"', ""))
    assert said.startswith(", line 2: unexpected end of data; from here on the file cannot be read")


def test_what_is_left_out_is_counted_with_its_first_line(tmp_path: Path) -> None:
    with opened(tmp_path, FIRST + cdr(dcontext="internal") * 3) as source:
        assert ids(source) == ["1"]
        assert source.left_out == {"rows of other contexts": 3}
        assert source.first_lines == {"rows of other contexts": 2}


def test_what_is_appended_meanwhile_is_for_the_next_import(tmp_path: Path) -> None:
    """The telephone system writes while the file is read."""
    with opened(tmp_path, FIRST + SECOND[:100]) as source:
        source.check()
        with (tmp_path / "calls").open("a", encoding="utf-8") as writer:
            writer.write(SECOND[100:] + BAD)
        assert ids(source) == ["1"]
