"""Programs of other kinds that play the same cases, to be measured beside the product."""
