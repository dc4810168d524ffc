"""Signing in by an identity provider (OpenID Connect), with mozilla-django-oidc underneath:

- `provider`: which providers there are, from the environment; `policy`: what is made of claims.
- `discovery`, `calls`: where a provider is asked what, and asking it; `idtoken`: what is believed.
- `flow`: to the provider and back; `backends`: who that is; `leaving`: out again, there too.
- `claims`, `usernames`, `groups`, `people`: from claims to a person here.
- `signins`, `refreshing`: each sign-in that lasts, and asking the provider again meanwhile.

Pages are in `portal.pages.signing` and `portal.pages.oidc`; `sessions.reconcile` has the worker
call `refreshing`.
"""
