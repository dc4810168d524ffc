"""Template tags for what every page writes in the same way."""
