"""Calls (来电) in the read model: what the telephone system reports, call-backs and the roster."""
