"""Tests of the API on a real Temporal server. A package, whose fixtures end with its last test in a process."""
