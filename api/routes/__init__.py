"""Operations of the interface, by subject."""
