"""Signing in by identity providers: the certified one, and one that lies."""
