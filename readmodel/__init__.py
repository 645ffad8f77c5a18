"""Read model: a projection of cases and incidents in SQL, which can be dropped and written again."""
