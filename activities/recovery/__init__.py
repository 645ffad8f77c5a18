"""Comparison of Temporal with SQL, and its repair."""
