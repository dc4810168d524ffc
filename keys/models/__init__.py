"""API tokens and SSH key pairs of people, and the host keys of SSH servers."""

from keys.models.keypair import KeyPair, KnownHost
from keys.models.token import SCOPES, Token, digest

__all__ = ["SCOPES", "KeyPair", "KnownHost", "Token", "digest"]
