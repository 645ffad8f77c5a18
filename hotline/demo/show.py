"""Interface of a day and of a surge to the player, the check and the report, and the result of the check."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from hotline.demo.calls import Call
from hotline.demo.client import Json
from hotline.demo.play import Player


@dataclass(frozen=True)
class Places:
    """Addresses of the service."""

    url: str

    def at(self, path: str) -> str:
        """Return the address of a path."""
        return f"{self.url.rstrip('/')}{path}"


@dataclass
class Verdict:
    """Result of the check, by the index of the call. `faults` are those that no single call has."""

    complaints: dict[int, Json] = field(default_factory=dict)
    timelines: dict[int, list[Json]] = field(default_factory=dict)
    differences: dict[int, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Return True if everything is as planned."""
        return not self.differences and not self.faults


class Show(ABC):
    """One kind of demo, a day or a surge: its calls, how they are played, and what becomes of them."""

    calls: Sequence[Call]

    @property
    @abstractmethod
    def title(self) -> str:
        """Return the number of the calls and what they are about."""

    @abstractmethod
    async def play(self, player: Player) -> None:
        """Play every call to its end. Raises Rejected, Unreachable, also in groups."""

    @abstractmethod
    def differences(self, call: Call, complaint: Json, timeline: Sequence[Json], incident: str) -> Iterable[str]:
        """Return each difference between a case and its plan. `incident` is that of the run."""

    async def faults(self, player: Player, verdict: Verdict) -> Iterable[str]:  # noqa: ARG002 - a day has none
        """Return what else is wrong, once the cases have been read."""
        return ()

    @abstractmethod
    def report(self, console: Console, verdict: Verdict, places: Places) -> None:
        """Print the figures, and where on the service to look."""

    @property
    @abstractmethod
    def praise(self) -> str:
        """Return what is said if everything is as planned."""
