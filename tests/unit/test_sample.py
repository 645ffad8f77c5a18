"""Draw of the sample of an assessment: by hand as docs/assessment.md says, whatever the order of the cases."""

import hashlib

from domain.assessment.assessment import draw
from domain.assessment.state import Sampled

CASES = [(f"26090100{place:05}", f"1002{place % 3}") for place in range(30)]


def by_hand(seed: str, agent: str, count: int) -> tuple[Sampled, ...]:
    own = [number for number, owner in CASES if owner == agent]
    in_order = sorted(own, key=lambda number: hashlib.sha256(seed.encode() + b"\0" + number.encode()).hexdigest())
    return tuple(Sampled(complaint=number, agent=agent) for number in in_order[:count])


def test_the_first_cases_of_each_agent_by_their_hash_are_the_sample() -> None:
    wanted = tuple(each for agent in ("10020", "10021", "10022") for each in by_hand("a1b2", agent, 4))
    assert draw("a1b2", 4, CASES) == draw("a1b2", 4, CASES[::-1]) == wanted


def test_another_seed_draws_other_cases() -> None:
    assert {*draw("a1b2", 4, CASES)} != {*draw("a1b3", 4, CASES)}


def test_an_agent_with_few_cases_has_all_of_them_drawn() -> None:
    assert {each.complaint for each in draw("a1b2", 11, CASES)} == {number for number, _ in CASES}
