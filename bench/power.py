"""Both modes of SQLite in turns: what it costs that a commit waits for the disk."""

from typing import Any

from bench import compare
from bench.against import Figures, Pair, Plan, Subject, in_turns, medians
from bench.compare import Size
from bench.report import Figure
from bench.server import FULL, INSTALLED_HERE, NORMAL

ROUNDS, QUICK_ROUNDS = 3, 1


async def measure(size: Size, *, quick: bool) -> tuple[tuple[Figures, Figures, Figures], list[Pair]]:
    """Return the medians of `full`, of `normal` and of their ratios, and each round. Raises as `running` does."""
    plan = Plan(QUICK_ROUNDS if quick else ROUNDS, size.concurrent_cases, size.warm)
    pairs = await in_turns(Subject(INSTALLED_HERE, FULL), Subject(INSTALLED_HERE, NORMAL), plan)
    return medians(pairs), pairs


async def figures(*, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of complete cases with and without a wait for the disk."""
    (full, normal, ratio), pairs = await measure(compare.QUICK if quick else compare.FULL, quick=quick)
    return [
        Figure("cases per second, synchronous=full", full["cases/s"], "/s"),
        Figure("cases per second, synchronous=normal: unsafe at power loss", normal["cases/s"], "/s"),
        Figure("full, of normal", ratio["cases/s"]),
        Figure("processor time of a case, full, of normal", ratio["together ms"]),
        Figure("share of other programs, the larger of both", max(full["others"], normal["others"])),
    ], {"rounds, full and normal": pairs}
