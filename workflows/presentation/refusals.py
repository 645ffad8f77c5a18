"""Refusals of actions from the Temporal UI, in Chinese and English."""

from domain.case.actions import COMMANDS
from domain.incident.actions import INCIDENT_COMMANDS
from domain.shared.actors import Role
from domain.shared.errors import Refused

_LEADS = {"forbidden": "有权办理", "conflict": "现可办理", "invalid": "可填"}
_NAMES_ZH = {
    **{role.value: role.zh for role in Role},
    **{name: action.zh for name, action in (INCIDENT_COMMANDS | COMMANDS).items()},
}


def bilingual(refused: Refused) -> str:
    """Return why something is refused, and what is accepted: a Chinese sentence, then the English one."""
    # What is accepted may be a description in English, which the English sentence needs alone.
    words = [
        f"{word}（{_NAMES_ZH[word]}）" if word in _NAMES_ZH else word for word in refused.accepted if " " not in word
    ]
    accepted = f"，{_LEADS.get(refused.kind, '可填')}：{'、'.join(words)}" if words else ""
    said = all(word in refused.message for word in refused.accepted)
    rest = "" if said else f" Accepted: {', '.join(refused.accepted)}."
    return f"{refused.zh}{accepted}。{refused.message}{rest}"
