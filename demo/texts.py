"""Texts of the demo, by service: descriptions, results and answers, and invented callers."""

from pathlib import Path
from typing import NamedTuple

from hotline.files.formats import read_toml


class Work(NamedTuple):
    """Result of work, and the finding (查实事项) that the crew states; None: no finding fits."""

    result: str
    finding: str | None = None


class Words(NamedTuple):
    """Texts for one service: what callers say, what crews find and do, and what the agent replies."""

    said: tuple[str, ...]
    done: tuple[Work, ...]
    told: str


_WORDS = {
    code: Words(tuple(row["said"]), tuple(Work(**work) for work in row["done"]), row["told"])
    for code, row in read_toml(Path(__file__).with_name("texts.toml")).items()
}
_SURNAMES = "陈李梁黄何林吴冯郑刘周杨谭罗梁蔡郭潘萧麦"
_STREETS = ("人民路", "兴华街", "安栏路", "富康路", "悦来路", "光明路", "翠景道", "康华路", "顺景街", "长堤路")


def words(service_code: str) -> Words:
    """Return the texts for a service; general ones for a service that the demo does not know."""
    return _WORDS.get(service_code, _WORDS["usual"])


def caller_name(pick: int) -> str:
    """Return a caller's name as an agent writes it down."""
    return _SURNAMES[pick % len(_SURNAMES)] + ("先生", "女士")[pick // len(_SURNAMES) % 2]


def phone(place: int) -> str:
    """Return a number that cannot exist: after the area code no Chinese number starts with 0."""
    return f"0760-0000{place % 10_000:04d}"


def address(district_zh: str, pick: int) -> str:
    """Return an address in the district."""
    return f"{district_zh}{_STREETS[pick % len(_STREETS)]}{pick % 97 + 1}号"
