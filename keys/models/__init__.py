"""What a person proves themselves with, and the keys by which others do."""

from keys.models.keypair import KeyPair, KnownHost
from keys.models.token import SCOPES, Token, digest

__all__ = ["SCOPES", "KeyPair", "KnownHost", "Token", "digest"]
