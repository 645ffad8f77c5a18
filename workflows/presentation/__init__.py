"""Presentation of complaints and incidents in the Temporal UI."""
