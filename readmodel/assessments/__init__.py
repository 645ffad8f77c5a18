"""Assessment in the read model: what cases count for, the results of a month, exclusions."""
