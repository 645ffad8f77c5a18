"""Readers of what the telephone system writes."""
