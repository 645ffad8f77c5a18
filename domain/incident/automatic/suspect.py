"""suspect 预警: more calls of one service came from one district than the catalogue takes for chance."""

from domain.incident.kind import IncidentKind
from domain.incident.opening import Opened

KIND = IncidentKind(
    name="suspect",
    zh="预警",
    description="A surge was found: more cases than chance brings.",
    data=Opened,
    notifies=("dispatcher", "supervisor"),
)
