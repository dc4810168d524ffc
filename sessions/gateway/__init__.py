"""The gateway: notebooks on hosts of their own, each opened by its owner and by nobody else.

A notebook is somebody's code, so it never shares an origin with the portal, and every request
to it passes here, outside Django's middleware:

- `hosts`: which host is whose; `request`: what an arriving request carries, and what another site
  may not make a signed-in browser do.
- `tickets`: how a browser gets in; `authorize`: who may, also as decided lately.
- `proxy_http`, `proxy_websocket`: passing it on (`upstreams`, `headers`), as long as it may
  (`connections`), noting that somebody works there (`activity`).
- `nginx`: letting an nginx in front do that for plain content.
- `responses`: what is said instead. `app` puts it together; `portal.asgi` serves it.
"""
