"""Reads of the read model."""
