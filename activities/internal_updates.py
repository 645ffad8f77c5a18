"""Names of the updates that the service alone sends; the prefix keeps them apart from actions in the Temporal UI."""

UNDELIVERED = "internal_undelivered"
RECOGNISE = "internal_recognise"
SETTLE = "internal_settle"
CATALOGUE_CHANGE = "internal_catalogue_change"
ABSORB = "internal_absorb"
