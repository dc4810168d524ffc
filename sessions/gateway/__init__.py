"""The gateway: serve each notebook on a host of its own, to its owner only.

A notebook runs its owner's code, so it never shares an origin with the portal. Every request to a
notebook passes through this package, outside Django's middleware:

- `hosts`: which host belongs to which project; `request`: parse a request, and decide what other
  sites may do: make a signed-in browser open a notebook, or use it with API tokens (CORS);
  `headers`: what of a request and of a response is passed on.
- `tickets`: how a browser gets in; `authorize`: who may reach a notebook, with a
  short-lived cache.
- `proxy_http`, `proxy_websocket`: pass requests on (`websocket`) over connections that are kept
  open, for as long as that is allowed (`connections`), and record that somebody is working
  (`activity`).
- `responses`: the gateway's own answers. `app` puts it all together, and lets an nginx in front
  proxy plain content itself; `portal.asgi` serves it.
"""
