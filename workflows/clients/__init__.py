"""Start, find and end workflows: what API, worker and commands ask Temporal. No workflow imports it."""
