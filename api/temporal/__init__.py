"""Start, update and query of workflows."""
