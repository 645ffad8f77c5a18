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
_NAMES = {
    Role.AGENT: AGENTS,
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
        self.departments = sorted(set(departments))
        groups = {(role, ""): tuple(Person(name, role) for name in names) for role, names in _NAMES.items()}
        for place, department in enumerate(self.departments):
            # Three names that no other department has; after the first eight departments they are numbered.
            round_, surname = divmod(place, len(_CREW_SURNAMES))
            names = (f"{_CREW_SURNAMES[surname]}{given}{round_ + 1 if round_ else ''}" for given in _CREW_GIVEN_NAMES)
            groups[Role.CREW, department] = tuple(Person(name, Role.CREW, department) for name in names)
        self._groups = groups

    @property
    def people(self) -> tuple[Person, ...]:
        """All people, in an order that never changes."""
        return tuple(person for group in self._groups.values() for person in group)

    def who(self, role: Role, *, owner: str = "", department: str | None = None, turn: int = 0) -> Person:
        """Return who acts in this role on a case of `owner` and `department`, in turn. Raises KeyError for nobody."""
        if role is Role.OWNER:
            return {agent.name: agent for agent in self._groups[Role.AGENT, ""]}[owner]
        people = self._groups[role, department or "" if role is Role.CREW else ""]
        return people[turn % len(people)]

    def examples(self, department: str) -> tuple[Person, ...]:
        """Return one person of each role; of the crews, one of this department."""
        return tuple(people[0] for (_, of), people in self._groups.items() if of in ("", department))
