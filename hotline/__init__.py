"""Assembles and operates the service."""
