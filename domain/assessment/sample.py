"""Draw of the sample of a quality inspection (质检抽样): by a recorded seed, so that it can be drawn again."""

import hashlib
from collections.abc import Iterable

from domain.assessment.state import Sampled


def draw(seed: str, per_agent: int, cases: Iterable[tuple[str, str]]) -> tuple[Sampled, ...]:
    """Return so many cases of each agent, of pairs of number and agent; the same seed draws the same cases.

    An agent with fewer cases has all of them drawn.
    """
    of_agents: dict[str, list[tuple[bytes, str]]] = {}
    for number, agent in cases:
        lot = hashlib.sha256(f"{seed}\0{number}".encode()).digest()
        of_agents.setdefault(agent, []).append((lot, number))
    return tuple(
        Sampled(complaint=number, agent=agent)
        for agent, lots in sorted(of_agents.items())
        for _, number in sorted(lots)[:per_agent]
    )
