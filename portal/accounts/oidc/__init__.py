"""Sign in with an identity provider (OpenID Connect), based on mozilla-django-oidc.

- `provider`: the providers, from the environment.
- `client`: requests to a provider and its own description; `groups_endpoint`: its groups, where
  its tokens have no room for them; `idtoken`: verifies its tokens.
- `flow`: to the provider and back, and signing out; `backends`: the authentication backends.
- `claims`: how the site uses claims; `people`: from claims to a person here and their groups.
- `signins`: sign-ins that last; `refresh`: asking the provider again meanwhile; `provider_logout`:
  the provider ends them itself.
- `errors`: the errors.

The pages are in `portal.pages.sign_in`; `sessions.watch.reconcile` has the worker call `refresh`.
"""
