"""A day of the hotline, or a surge, played over HTTP against a running service, and checked over HTTP at its end.

Everything is made from a seed: the calls, the people, the words and the ways the cases go. Names, numbers and
addresses are invented; no telephone number of the demo can exist.
"""
