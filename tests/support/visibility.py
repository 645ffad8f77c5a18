"""Pieces of visibility queries, and the scanner with which Temporal divides a query into tokens."""

import re
from collections.abc import Sequence

_PIECES = (
    r""" ¦ ¦(¦)¦,¦=¦!=¦<>¦<¦>¦<=¦>=¦-¦+¦.¦;¦:¦?¦!¦&&¦||¦--¦-- ¦/*¦*/¦#¦//¦\¦"¦'¦`¦\"¦\'¦""¦''¦``¦*¦%¦@¦x'¦0x"""
    "¦ AND ¦ OR ¦ NOT ¦ IN ¦ BETWEEN ¦ IS ¦ NULL¦ STARTS_WITH ¦ LIKE ¦true¦ DIV ¦ and ¦ GROUP BY ¦SELECT ¦ UNION "
    "¦ GROUP BY ExecutionStatus¦ ORDER BY ¦ LIMIT 1¦ WHERE ¦EXISTS ¦Department¦Involved¦State¦Owner¦WorkflowId"
    """¦ExecutionStatus¦HistoryLength¦TemporalNamespaceDivision¦"repair"¦"metering"¦'repair'¦"open"¦"x"¦"Running"¦1"""
    """¦-1¦1.5¦1e3¦Department = "metering"¦Owner = "x"¦State != "x"¦Involved IS NOT NULL¦State IN ("open", "x")"""
    """¦WorkflowId STARTS_WITH "c"¦NOT State = "x"¦(Owner = "x")¦HistoryLength BETWEEN 1 AND 9¦\n"""
)
FRAGMENTS: Sequence[str] = re.split("¦", _PIECES)
"""Pieces of queries, and of what is none."""


def scanned(query: str) -> list[str] | None:
    """Return the tokens of a query as Temporal's scanner finds them; None for one that it does not end, or a comment.

    Written after `Tokenizer.Scan` of github.com/temporalio/sqlparser, byte by byte.
    """
    tokens, at = list[str](), 0
    while at < len(query):
        char, two = query[at], query[at : at + 2]
        if char in " \n\r\t":
            at += 1
        elif two in ("--", "/*", "//") or char == "#":
            return None
        elif char in "\"'`":
            end = _end_of_text(query, at + 1, char)
            if end is None:
                return None
            tokens.append(query[at:end])
            at = end
        elif char.isascii() and (char.isalnum() or char in "_@"):
            end = at
            while end < len(query) and query[end].isascii() and (query[end].isalnum() or query[end] in "_@"):
                end += 1
            tokens.append(query[at:end])
            at = end
        else:
            tokens.append(char)
            at += 1
    return tokens


def _end_of_text(query: str, at: int, delimiter: str) -> int | None:
    """Return where the text ends that began before `at`, or None; a doubled delimiter does not end it."""
    while at < len(query):
        if query[at] == "\\" and delimiter != "`":
            at += 2
        elif query[at] != delimiter:
            at += 1
        elif query[at : at + 2] == 2 * delimiter:
            at += 2
        else:
            return at + 1
    return None
