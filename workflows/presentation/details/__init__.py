"""Details of one case or incident in the Temporal UI: made when somebody looks, and in no history."""
