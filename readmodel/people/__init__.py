"""People (人员) in the read model, their keys and their work."""
