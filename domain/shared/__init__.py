"""Values that several parts of the domain use."""
