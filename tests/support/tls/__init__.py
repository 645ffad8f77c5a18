"""A certificate for localhost that nobody trusts, and its key, which is no secret."""

from pathlib import Path

CERTIFICATE = Path(__file__).with_name("localhost.pem")
TLS_KEY = Path(__file__).with_name("localhost.key")
