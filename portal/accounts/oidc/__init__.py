"""Signing in by an identity provider (OpenID Connect), with mozilla-django-oidc underneath:

- `provider`: which providers there are, from the environment; `policy`: what is made of claims.
- `calls`: asking a provider, and its own description; `idtoken`: what is believed.
- `flow`: to the provider and back, and out again; `backends`: who that is.
- `claims`, `groups`, `people`: from claims to a person here.
- `signins`, `refreshing`: each sign-in that lasts, and asking the provider again meanwhile.

Pages are in `portal.pages.sign_in`; `sessions.watch.reconcile` has the worker call `refreshing`.
"""
