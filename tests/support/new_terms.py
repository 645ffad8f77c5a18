"""Another catalogue for tests of cases, with other promises than those that `tests.support.build` makes."""

from typing import Any

from domain.case.automatic.internal_updates import NewTerms
from domain.catalogue.terms import Edition, Promise
from tests.support.build import PROMISES, terms

EDITION = Edition(digest="0123456789ab", name="New", name_zh="新目录")


def new(**changes: Any) -> NewTerms:
    """The terms of the other catalogue; keyword arguments replace fields."""
    return NewTerms(terms=terms(**changes), edition=EDITION)


def promised(name: str, **changes: Any) -> tuple[Promise, ...]:
    """All promises, one of them changed."""
    return tuple(each.model_copy(update=changes) if each.name == name else each for each in PROMISES)


def without(*names: str) -> tuple[Promise, ...]:
    """All promises but these."""
    return tuple(each for each in PROMISES if each.name not in names)
