"""Masking of callers' personal data (个人信息脱敏): which fields a role sees clear, and how the others are shown."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

from domain.case.actions.correct import Correct
from domain.kit.event import Command
from domain.shared.actors import Role
from domain.shared.errors import WRONG_ROLE, Refused
from domain.shared.value import MOBILE, MOBILE_IN_WORDS, NamedCode

T = TypeVar("T")
STAR = "*"
_DIALLED_MOBILE = re.compile(f"(?:(?:00)?86|0?0?)({MOBILE.pattern})")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?Z")
"""Instant of an answer, in which some digits may look like a telephone number: 01:46:24.921570."""
_TELEPHONE = re.compile(r"[+(]?[0-9](?:[ ()./-]*[0-9]){6,}")
_HOUSE_NUMBER = re.compile("[0-9０-９]|[零〇一二三四五六七八九十百甲乙丙丁]+[号號栋幢座楼室单弄巷]")


def mask_name(name: str) -> str:
    """Return a name with the first and last character of each word: 陈*生, 陈*, 欧**明, M****t T****r."""
    return " ".join(map(_mask_word, name.split()))


def _mask_word(word: str) -> str:
    if len(word) <= 2:  # noqa: PLR2004 - with fewer than three characters, the last one is the given name
        return word[: len(word) - 1] + STAR
    return word[0] + STAR * (len(word) - 2) + word[-1]


def mask_phone(phone: str) -> str:
    """Return a mobile number with its first three and last four digits (138****8000), others with their last two."""
    digits = re.sub("[^0-9]", "", phone)
    mobile = _DIALLED_MOBILE.fullmatch(digits)
    return f"{mobile[1][:3]}****{mobile[1][-4:]}" if mobile else _mask_but_last(digits, 2)


def mask_account(account: str) -> str:
    """Return the number of an account or meter with its last three characters at most."""
    return _mask_but_last(account, 3)


def _mask_but_last(text: str, most: int) -> str:
    """Return a text with its last characters: at most so many, and at most a third of it."""
    kept = min(most, len(text) // 3)
    return STAR * (len(text) - kept) + text[len(text) - kept :]


def mask_address(address: str) -> str:
    """Return an address up to the house number; its first half, if there is none."""
    number = _HOUSE_NUMBER.search(address)
    return address[: number.start() if number else len(address) // 2] + STAR * 3


def mask_words(text: str) -> str:
    """Return free text with the mobile numbers in it masked. Names in it stay."""
    return MOBILE_IN_WORDS.sub(lambda found: mask_phone(unicodedata.normalize("NFKC", found[0])), text)


def mask_agent(name: str) -> str:
    """Return the telephone system's name of an agent with the telephones in it masked: seven digits or more."""
    return _TELEPHONE.sub(lambda found: mask_phone(found[0]), unicodedata.normalize("NFKC", name))


def _hide(_: object) -> None:
    """Return None: of some values, every part tells too much."""


class Sight(NamedCode):
    """Sight that a role has of a field: clear, clear until the case has ended, or masked."""

    CLEAR = "clear", "明文"
    WHILE_OPEN = "while_open", "办结前明文"
    MASKED = "masked", "脱敏"


Mask = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class PersonalData:
    """Kind of personal data: the fields that hold it, each with its mask, and who sees them clear; others do not."""

    name: str
    zh: str
    fields: Mapping[str, Mask]
    sight: Mapping[Role, Sight]

    def sight_of(self, role: Role) -> Sight:
        return self.sight.get(role, Sight.MASKED)


_CLEAR = dict.fromkeys((Role.AGENT, Role.SUPERVISOR, Role.FOLLOW_UP, Role.ADMIN), Sight.CLEAR)
_CREW_TOO = {**_CLEAR, Role.CREW: Sight.WHILE_OPEN}
PERSONAL_DATA = (
    PersonalData(
        name="name", zh="姓名", fields={"caller.name": mask_name, "customer.name": mask_name}, sight=_CREW_TOO
    ),
    PersonalData(
        name="telephone",
        zh="电话",
        fields=dict.fromkeys(("caller.phone", "customer.phone", "call.caller_phone"), mask_phone),
        sight=_CREW_TOO,
    ),
    PersonalData(
        name="account",
        zh="户号",
        fields=dict.fromkeys(("caller.account_no", "customer.account_no", "customer.meter"), mask_account),
        sight=_CREW_TOO,
    ),
    PersonalData(
        name="address",
        zh="地址",
        fields={
            "location.address": mask_address,
            "location.lat": _hide,
            "location.lng": _hide,
            "customer.address": mask_address,
        },
        sight={**_CREW_TOO, Role.DISPATCHER: Sight.CLEAR},
    ),
    PersonalData(
        name="circumstances",
        zh="家庭情况",
        fields={"customer.hardship_grounds": _hide, "customer.notes": _hide},
        sight=_CREW_TOO,
    ),
)
"""A crew has to find the caller and to telephone; a dispatcher has to find the department."""


@cache
def masks_for(role: Role, *, ended: bool) -> Mapping[str, Mask]:
    """Return the masks of the fields that a role sees masked in a case that has ended, or is open."""
    clear = {Sight.CLEAR} if ended else {Sight.CLEAR, Sight.WHILE_OPEN}
    return {
        field: mask for kind in PERSONAL_DATA if kind.sight_of(role) not in clear for field, mask in kind.fields.items()
    }


def masked(value: T, masks: Mapping[str, Mask]) -> tuple[T, list[str]]:
    """Return JSON or models with their fields masked wherever they stand, and the names of those fields, each once.

    Names are those of the object and its field: `caller.phone`.
    A masked model is a copy that is not valid: no telephone has stars.
    """
    found = dict[str, None]()
    return _masked(value, masks, found) if masks else value, list(found)


def _masked(value: Any, masks: Mapping[str, Mask], found: dict[str, None], field: str = "") -> Any:  # noqa: ANN401 - JSON or models
    if field in masks and value is not None:
        found[field] = None
        return masks[field](value)
    match value:
        case dict():
            name = field.rpartition(".")[2]
            return {key: _masked(each, masks, found, f"{name}.{key}") for key, each in value.items()}
        case BaseModel():
            return value.model_copy(update=_masked(vars(value), masks, found, field))
        case list() | tuple() | set() | frozenset():
            make: Callable[[Iterable[Any]], Any] = getattr(value, "_make", type(value))  # that of a named tuple
            return make(_masked(each, masks, found, field) for each in value)
        case str() if not _INSTANT.fullmatch(value):
            words = mask_words(value)
            return value if words == value else words  # a code stays of its type
    return value


def refuse_masked(command: Command[Any]) -> None:
    """Raise Refused if the person corrects (更正) what they see masked: that nothing changes would confirm a guess."""
    body, role = command.body, command.actor.role
    if not isinstance(body, Correct):
        return
    masks = masks_for(role, ended=False)
    if body.caller is not None and "caller.phone" in masks:
        message = f"The caller is masked for the role {role}; correct it without the caller."
        raise Refused(WRONG_ROLE, message, ("a correction without caller",))
    if body.location is not None and "location.address" in masks and body.location.model_fields_set - {"district"}:
        message = f"The address is masked for the role {role}; correct the district alone."
        raise Refused(WRONG_ROLE, message, ("a location with district alone",))
