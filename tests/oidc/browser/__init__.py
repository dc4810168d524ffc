"""The certified provider, the whole portal and a real browser between them."""
