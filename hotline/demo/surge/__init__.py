"""A salt tide (咸潮) played over HTTP: calls in waves with one cause, one incident, news, one reply to all, follow-ups.

Like the day of `demo` it is made from a seed, goes on where it was killed, and is checked over HTTP at its end.
"""
