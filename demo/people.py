"""The people of the demo: ten agents, as the hotline has, and those they work with. All names are invented."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.shared.actors import Role


@dataclass(frozen=True)
class Person:
    """Person of the demo; `department` is set for crews, who act for one only."""

    name: str
    role: Role
    department: str | None = None


AGENTS = ("何静怡", "梁晓彤", "黄丽珊", "陈嘉敏", "林慧欣", "吴婉玲", "郑雪莹", "刘思敏", "李佩珊", "欧阳倩")
_OTHERS = {
    Role.DISPATCHER: ("周国强", "冯志辉", "谭秀英"),
    Role.SUPERVISOR: ("麦志坚", "苏敏仪"),
    Role.MANAGER: ("郭建华", "罗永康"),
    Role.FOLLOW_UP: ("邓小芬", "萧月娥"),
}
_CREW_SURNAMES = "卢杜钟阮容余甘简"
_CREW_GIVEN_NAMES = ("伟明", "锦荣", "炳坤")


class Staff:
    """All people of the demo, and the assignment of tasks to them."""

    def __init__(self, departments: Iterable[str]) -> None:
        self._by_role = {
            role: tuple(Person(name, role) for name in names) for role, names in {Role.AGENT: AGENTS, **_OTHERS}.items()
        }
        self._crews = {
            department: tuple(Person(name, Role.CREW, department) for name in _crew_names(place))
            for place, department in enumerate(sorted(set(departments)))
        }

    @property
    def people(self) -> tuple[Person, ...]:
        """Return all people, in an order that never changes."""
        return tuple(person for group in (*self._by_role.values(), *self._crews.values()) for person in group)

    def named(self, name: str) -> Person:
        """Return the agent of this name, who owns a case. Raises KeyError."""
        return {agent.name: agent for agent in self._by_role[Role.AGENT]}[name]

    def who(self, role: Role, *, owner: str = "", department: str | None = None, turn: int = 0) -> Person:
        """Return the person who acts in this role on a case of `owner` and `department`; the same for the same `turn`.

        Raises KeyError for a role that nobody of the demo has, or a department without a crew.
        """
        if role is Role.OWNER:
            return self.named(owner)
        people = self._crews[department or ""] if role is Role.CREW else self._by_role[role]
        return people[turn % len(people)]

    def examples(self, department: str) -> tuple[Person, ...]:
        """Return one person of each role; of the crews, one of this department."""
        return (*(people[0] for people in self._by_role.values()), self._crews[department][0])


def _crew_names(place: int) -> list[str]:
    """Return three names that no other department has; after the first eight departments they are numbered."""
    round_, surname = divmod(place, len(_CREW_SURNAMES))
    suffix = str(round_ + 1) if round_ else ""
    return [f"{_CREW_SURNAMES[surname]}{given}{suffix}" for given in _CREW_GIVEN_NAMES]
