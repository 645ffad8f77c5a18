"""Calls (来电) on the hotline."""
