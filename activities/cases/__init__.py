"""Updates and queries that activities send to many cases."""
