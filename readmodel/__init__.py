"""The read model: what SQL shows of the cases. A projection, which can be dropped and written again."""
