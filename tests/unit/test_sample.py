"""The sample of a quality inspection: as many cases of each agent, drawn again by the same seed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.assessment.sample import draw

CASES = [(f"2609{agent}{place:04}", agent) for agent in ("10023", "10024") for place in range(int(agent) - 10_000)]
"""23 cases of one agent and 24 of the other."""


@given(cases=st.permutations(CASES))
def test_the_same_seed_draws_the_same_cases_from_any_order(cases: list[tuple[str, str]]) -> None:
    assert draw("seed", 5, cases) == draw("seed", 5, CASES)


def test_another_seed_draws_other_cases() -> None:
    assert draw("seed", 5, CASES) != draw("another", 5, CASES)


@given(per_agent=st.integers(0, 30), seed=st.sampled_from(["", "seed", "种子"]))
def test_as_many_cases_of_each_agent_are_drawn_or_all(per_agent: int, seed: str) -> None:
    drawn = draw(seed, per_agent, CASES)
    assert len(set(drawn)) == len(drawn)
    assert {(each.complaint, each.agent) for each in drawn} <= {*CASES}
    counts = Counter(each.agent for each in drawn)
    assert counts == +Counter({"10023": min(per_agent, 23), "10024": min(per_agent, 24)})


def test_without_cases_the_sample_is_empty() -> None:
    assert draw("seed", 5, []) == ()
