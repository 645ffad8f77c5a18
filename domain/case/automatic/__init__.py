"""Events that nobody asks for: what time, the catalogue or an incident brings to a case."""
