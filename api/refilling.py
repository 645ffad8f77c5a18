"""Facts from the registry in a case whose customer is corrected: those of the other customer take their place."""

from api.backend import Backend
from domain.case.actions.correct import Correct, Correction, merged
from domain.case.intake import Caller, Contact, Intake, Location
from domain.case.views import CaseView
from domain.shared.value import Value
from readmodel.search_terms import phone_term


async def refilled(backend: Backend, view: CaseView, body: Correct) -> Correct:
    """Return the correction with what the registry has of the customer whom it names, or else nothing, in `filled`.

    Only fields that the registry had filled in and nobody has corrected; the body as it is if it names nobody else.
    Raises ProblemError if SQL does not answer.
    """
    left = tuple(sorted({*view.filled} - _given("caller", body.caller) - _given("location", body.location)))
    if not left or not _names_another(view.caller, body.caller, backend.catalogue.area_code):
        return body
    facts = {name: getattr(view, name) for name in Intake.model_fields if hasattr(view, name)}
    said = Intake.model_construct(**facts).without(left)
    places = {"caller": merged(said.caller, body.caller), "location": merged(said.location, body.location)}
    said = said.model_copy(update=places)
    contact = backend.intake.in_catalogue(await backend.reader.contact(said, view.registered_at))
    names = {each.rpartition(".")[2] for each in left}
    contact = Contact(**{name: value for name, value in contact._asdict().items() if name in names})
    filled, _ = said.filled_in(contact)
    caller, location = (
        {name.rpartition(".")[2] for name in (*_given(part, getattr(body, part)), *left) if name.startswith(part)}
        for part in ("caller", "location")
    )
    return Correction.of(
        body,
        caller=Caller(**{name: getattr(filled.caller, name) for name in caller}),
        location=Location(**{name: getattr(filled.location, name) for name in location}) if location else None,
        filled=left,
    )


def _given(part: str, value: Value | None) -> set[str]:
    return {f"{part}.{name}" for name in value.model_fields_set} if value else set()


def _names_another(caller: Caller, given: Caller | None, area_code: str) -> bool:
    """Return True if the account or telephone given is another one, and not the same in another form."""

    def identity(of: Caller) -> dict[str, str | None]:
        return {"account_no": of.account_no, "phone": of.phone and phone_term(of.phone, area_code)}

    before, after = identity(caller), identity(given or caller)
    return any(before[name] != after[name] for name in before if given and name in given.model_fields_set)
