"""Both modes of SQLite in turns: what it costs that a commit waits for the disk."""

from bench.against import Figures, Pair, Plan, Subject, in_turns, medians
from bench.compare import Size
from bench.server import FULL, INSTALLED_HERE, NORMAL

ROUNDS, QUICK_ROUNDS = 3, 1


async def measure(size: Size, *, quick: bool) -> tuple[tuple[Figures, Figures, Figures], list[Pair]]:
    """Return the medians of `full`, of `normal` and of their ratios, and each round. Raises as `running` does."""
    plan = Plan(QUICK_ROUNDS if quick else ROUNDS, size.concurrent_cases, size.warm)
    pairs = await in_turns(Subject(INSTALLED_HERE, FULL), Subject(INSTALLED_HERE, NORMAL), plan)
    return medians(pairs), pairs
