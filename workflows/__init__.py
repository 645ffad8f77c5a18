"""The durable hosts of cases. They do no I/O: activities reach the world for them."""
