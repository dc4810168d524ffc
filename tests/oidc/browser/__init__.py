"""Sign-in with the certified provider, the whole portal and a real browser."""
