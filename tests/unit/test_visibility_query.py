"""Queries of Temporal's visibility that are narrowed: what is taken, and that nothing escapes the condition."""

import itertools
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.edge.problems import ProblemError
from api.temporal_ui.pages import VIEWS
from api.temporal_ui.reading import DEEPEST, LONGEST_QUERY, narrowed
from tests.support.visibility import FRAGMENTS, scanned

CONDITION = 'Department = "repair" OR Involved = "repair"'
TAKEN = [
    *(view.query for view in VIEWS),
    'WorkflowId="a"',
    "WorkflowId='a'",
    "`WorkflowId` = 'a'",
    'WorkflowId = "it\'s" AND Owner = \'say "a"\'',
    r'Owner = "a\") OR (\"b"',
    'Owner = "a"") OR (""b"',
    r"Owner = 'a\\'",
    'Owner = "-- /* # no comment"',
    "HistoryLength > -1 and HistoryLength <= 1.5e3",
    'StartTime BETWEEN "2026-08-03T00:00:00Z" AND "2026-08-04T00:00:00Z"',
    "Owner IS NOT NULL AND NOT (Sla IS NULL)",
    'WorkflowId NOT IN ("a", "b") OR WorkflowType NOT STARTS_WITH "C"',
    "TemporalSchedulePaused = true",
    "\n ((Owner = '陈')) \t",
    "(" * DEEPEST + "a=1" + ")" * DEEPEST,
]
REFUSED = [
    'a="x") OR (b="y"',
    'a="x")) OR ((b="y"',
    ") OR (",
    "()",
    'a="x" OR',
    'OR a="x"',
    'a="x" b="y"',
    'a="x"; b="y"',
    'a="x" -- ',
    'a="x" --',
    'a="x" /* ',
    'a="x" /* */',
    'a="x" # ',
    'a="x" // ',
    'a="x',
    "a='x",
    r'a="x\"',
    "`a = 1",
    'a="x" ORDER BY StartTime',
    "ORDER BY StartTime",
    'a="x" LIMIT 1',
    'a="x" UNION SELECT * FROM b',
    'a IN (SELECT a FROM b WHERE a = "x")',
    "a IN ()",
    'a="x" && b="y"',
    'a="x" || b="y"',
    "a=1=1",
    "a=b",
    "1=1",
    "a",
    "a=(1)",
    "a LIKE 'x%'",
    "a <=> 1",
    "a = x'41'",
    "a = :v1",
    "a = ?",
    "a = 0x41",
    "a = --1",
    "EXISTS (a=1)",
    "a(b)=1",
    'a.b="x"',
    'a="x"\0',
    'a="x\0"',
    'a="\u202ex"',
    "ＯＲ",
    'a="x" \u00a0OR b="y"',
    "(" * (DEEPEST * 3) + "a=1" + ")" * (DEEPEST * 3),
    "a=1 OR " * LONGEST_QUERY + "a=1",
    'a="x" GROUP BY State',
    'a="x" GROUP BY ExecutionStatus, State',
    'a="x" GROUP BY ExecutionStatus ORDER BY a',
    'a="x" GROUP BY ExecutionStatus) OR (b="y"',
    'a="x") GROUP BY ExecutionStatus OR (b="y"',
    "GROUP BY ExecutionStatus GROUP BY ExecutionStatus",
    "GROUP BY (ExecutionStatus)",
]
WORDS = ("NOT ", "NOT(", "(", "(a=1)AND", "a IN(1,", "a=1 AND ", "NOT a=1 OR ", "a ", *"+ 1a\"'`\\")
"""Parts that a long query may repeat."""
SECONDS = 0.25
"""Of the processor, for reading the longest query; the slowest needs a third of it."""


@pytest.mark.parametrize("query", TAKEN)
def test_a_query_of_lists_is_put_between_brackets(query: str) -> None:
    assert narrowed(query, CONDITION) == f"({query.rstrip()}) AND ({CONDITION})"


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("query", REFUSED, ids=range(len(REFUSED)))
def test_anything_else_is_refused_with_what_would_be_taken(query: str, *, counted: bool) -> None:
    with pytest.raises(ProblemError, match=r"cannot be narrowed.*It takes comparisons.*此查询"):
        narrowed(query, CONDITION, counted=counted)


@pytest.mark.parametrize(("first", "second"), [*itertools.product(WORDS, ("NOT ", ")", " "))])
def test_the_longest_queries_do_not_hold_up_other_requests(first: str, second: str) -> None:
    """They are read in the process that serves everybody."""
    half = LONGEST_QUERY // 2
    query = first * (half // len(first)) + second * (half // len(second))
    began = time.process_time()
    with suppress(ProblemError):
        narrowed(query, CONDITION)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("query", ["", " \n"])
def test_no_query_becomes_the_condition(query: str) -> None:
    assert narrowed(query, CONDITION) == f"({CONDITION})"


def test_counts_alone_keep_their_ending() -> None:
    grouped = 'a="x" group by  ExecutionStatus '
    assert narrowed(grouped, CONDITION, counted=True) == f'(a="x") AND ({CONDITION}) GROUP BY ExecutionStatus'
    assert narrowed("GROUP BY ExecutionStatus", CONDITION, counted=True) == f"({CONDITION}) GROUP BY ExecutionStatus"
    with pytest.raises(ProblemError):
        narrowed(grouped, CONDITION)


@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=25), st.booleans())
def test_whatever_is_taken_stays_between_its_brackets(fragments: list[str], counted: bool) -> None:
    try:
        query = narrowed("".join(fragments), CONDITION, counted=counted)
    except ProblemError:
        return
    tokens, condition = scanned(query), scanned(f"({CONDITION})")
    assert tokens, query
    assert condition
    grouped = ["GROUP", "BY", "ExecutionStatus"]
    assert counted or tokens[-3:] != grouped
    if tokens[-3:] == grouped:
        tokens = tokens[:-3]
    assert tokens[-len(condition) :] == condition
    if before := tokens[: -len(condition)]:
        assert before.pop() == "AND"
        depths = [*itertools.accumulate((token == "(") - (token == ")") for token in before)]
        assert min(depths[:-1]) > depths[-1] == 0
