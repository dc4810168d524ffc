"""Former place of `portal.accounts.oidc`; only paths that are stored in rows are left."""
