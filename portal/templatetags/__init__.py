"""Template tags: the few things that every page writes in the same way."""
