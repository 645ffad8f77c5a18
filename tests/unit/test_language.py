"""Language that a client asks for by `Accept-Language`."""

import pytest
from starlette.datastructures import Headers

from api.edge.language import asks_for_chinese


@pytest.mark.parametrize(
    ("asked", "zh"),
    [
        (None, False),
        ("", False),
        ("zh", True),
        ("zh-CN,zh;q=0.9,en;q=0.8", True),
        ("ZH-hant", True),
        ("en-GB,en;q=0.9,zh;q=0.8", False),
        ("zh;q=0.3, en;q=0.7", False),
        ("fr, zh;q=0.5", True),
        ("fr", False),
        ("*", False),
        ("zh;q=0", False),
        ("zh, en", True),
        ("en, zh", False),
        ("zh;q=2", False),
        (";;,q=,\x7f", False),
    ],
)
def test_the_language_is_the_best_match(asked: str | None, zh: bool) -> None:
    assert asks_for_chinese(Headers({} if asked is None else {"accept-language": asked})) is zh
