"""Queries of Temporal's visibility: read token by token, and narrowed by a condition.

Temporal reads a query with a grammar of SQL that knows far more than lists need. This module divides a query into the
same tokens, and takes what lists need: so what it takes stays whole between brackets.
"""

import re
from typing import Final

LONGEST: Final = 15_000
"""Characters of the longest query; the UI itself sends no longer one."""
DEEPEST: Final = 40
"""Brackets within each other; Temporal takes some hundreds."""
GROUPS: Final = " GROUP BY ExecutionStatus"
"""Ending of the query by which the UI counts by status."""
_BLANK = " \t\r\n"
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<v> "(?:[^"\\]|\\.|"")*" | '(?:[^'\\]|\\.|'')*' | [0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)? (?![\w@.]) )
    | (?P<n> `(?:[^`]|``)+` )
    | (?P<word> [A-Za-z_][A-Za-z0-9_]* (?!['@]) )
    | (?P<sign> <= (?!>) | >= | != | <> | [=<>(),+] | -(?![->]) )
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMPARE = dict.fromkeys(("=", "!=", "<>", "<", "<=", ">", ">="), "=")
_KEYWORDS = {"AND": "&", "OR": "|", "NOT": "!", "IN": "i", "BETWEEN": "b", "STARTS_WITH": "s", "IS": "j", "NULL": "0"}
_LETTERS = {**_COMPARE, **_KEYWORDS, "TRUE": "v", "FALSE": "v", "GROUP": "G", "BY": "B", "+": "-"}
"""Letter of a sign or keyword in the form of a query; a value is `v`, any other name `n`, all else itself."""
_COMPARISON = re.compile(r"n(?:=-?v|j!?0|!?(?:i\(-?v(?:,-?v)*\)|b-?v&-?v|s-?v))")
_JOINED = re.compile(r"(?<!!)!+c|\(c\)|c(?:[&|]c)+")


class UnreadableQueryError(ValueError):
    """Query that cannot be narrowed; the message says why, and what would be accepted."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This query cannot be narrowed to your department: {reason}. It takes comparisons (=, !=, <, <=, >, >=, "
            "IN, BETWEEN, STARTS_WITH, IS NULL) joined by AND, OR, NOT and brackets; no comments, no ORDER BY. "
            "此查询无法限定到本部门: 仅支持上述比较与 AND、OR、NOT、括号。"
        )


def narrowed(query: str, condition: str, *, counted: bool = False) -> str:
    """Return a query that finds what both the query and the condition find; `counted`: it may end as counts do.

    Raises UnreadableQueryError.
    """
    if len(query) > LONGEST or not all(char.isprintable() or char in _BLANK for char in query):
        raise UnreadableQueryError(f"it has more than {LONGEST:,} characters, or some that cannot be printed")
    form, ends = _form_of(query)
    ending = ""
    if counted and form.endswith("GBn") and query[ends[-2] :].strip() == "ExecutionStatus":
        form, ends, ending = form[:-3], ends[:-3], GROUPS
    if not form:
        return f"({condition}){ending}"
    if not _is_whole(form):
        raise UnreadableQueryError("it is no whole expression")
    return f"({query[: ends[-1]]}) AND ({condition}){ending}"


def _form_of(query: str) -> tuple[str, list[int]]:
    """Return the form of a query, a letter for each token, and where each token ends."""
    letters, ends, at = list[str](), list[int](), 0
    end = len(query.rstrip(_BLANK))
    while at < end:
        found = _TOKEN.match(query, at)
        if found is None:
            raise UnreadableQueryError(f"what begins at character {at + 1} is no name, value or operator of lists")
        kind, text = found.lastgroup or "", found[found.lastgroup or 0]
        other = {"word": "n", "sign": text}.get(kind, kind)
        letters.append(other if kind in ("v", "n") else _LETTERS.get(text.upper(), other))
        ends.append(at := found.end())
    return "".join(letters), ends


def _is_whole(form: str) -> bool:
    """Return True if the form is one expression: comparisons, joined until one is left."""
    form = _COMPARISON.sub("c", form)
    for _ in range(2 * DEEPEST):
        form, times = _JOINED.subn("c", form)
        if not times:
            break
    return form == "c"
