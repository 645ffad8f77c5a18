"""Body and data of the actions that a department does to the case, or to its part in it (协办)."""

from pydantic import Field

from domain.case.events import OfDepartment
from domain.shared.codes import DepartmentCode
from domain.shared.event import ActionBody


class OfPart(ActionBody):
    """Body of an action on the case, or on the part in it that a further department has."""

    department: DepartmentCode | None = Field(
        default=None, description="Whose part it is (协办), where it is not your own department's."
    )


class OnPart(OfDepartment):
    """Facts about the case, or about one part of it: the serial of the part; None for the case itself."""

    part: int | None = None
