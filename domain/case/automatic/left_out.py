"""left_out 未执行: an event that nobody asked for would have broken an invariant of the case, and did not happen.

Rules change a case by copies, which validate nothing. What breaks the constraints of a field, such as a budget below
zero, could be neither projected to SQL nor read by the API, so it must not become the state of a case.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from domain.case.progress import Progress
from domain.case.state import CaseState, Event, EventData, EventKind
from domain.shared.value import english

FLAG = "left_out"


class LeftOut(EventData):
    """Kind of the event that did not happen, and the constraints that it would have broken, without personal data."""

    kind: str
    error: str

    def text(self, number: str, event: Event) -> tuple[str, str]:
        return (
            f"工单{number}：系统事项「{event.KIND_ZH.get(self.kind, self.kind)}」不合规定，未执行，请检查",
            f"Case {number}: the automatic event {english(self.kind)} was left out: it would make the case invalid",
        )

    def evolve(self, case: CaseState, _: Event) -> None:
        """Note the kind: time does not bring it again before somebody acts."""
        case.left_out = tuple(sorted({*case.left_out, self.kind}))


KIND = EventKind(
    name="left_out",
    zh="未执行",
    description="An automatic event would have made the case invalid, and did not happen; tried again after an action.",
    data=LeftOut,
    by_time=True,
    flags=(FLAG,),
    notifies=("supervisor",),
)


def check(before: CaseState, after: CaseState) -> None:
    """Raise ValidationError if a value of the progress that differs from `before` breaks a constraint.

    Values that are the same objects as before were checked when they came; it costs about 10 µs for each other.
    """
    changed = {}
    for name in Progress.model_fields:
        value, known = getattr(after, name), getattr(before, name)
        if value is known:
            continue
        changed[name] = value
        for model in _models(value, {id(each) for each in known} if isinstance(known, tuple) else set()):
            type(model).model_validate(model.__dict__)
    Progress.model_validate({"owner": after.owner} | changed)


def faults(error: ValidationError) -> str:
    """Fields that break a constraint, and which one. No value is quoted: it may be personal."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = (f"{error.title}.{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in found)
    return "; ".join(dict.fromkeys(named))


def _models(value: object, known: set[int]) -> Iterator[BaseModel]:
    """Yield the models in a value, those within others as well; none whose id is known."""
    if isinstance(value, tuple):
        for each in value:
            yield from _models(each, known)
    elif isinstance(value, BaseModel) and id(value) not in known:
        yield value
        for each in value.__dict__.values():
            yield from _models(each, known)
