"""Former place of `portal.accounts.oidc`, of which only paths that are stored in rows are left."""
