"""Readers of operators' files."""
