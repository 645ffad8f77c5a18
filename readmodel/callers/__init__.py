"""Callers (来电人) in the read model: who calls, and what is known of them."""
