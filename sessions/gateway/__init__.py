"""The gateway: notebooks on hosts of their own, each opened by its owner and by nobody else.

A notebook is somebody's code, so it never shares an origin with the portal, and every request
to it passes here, outside Django's middleware:

- `hosts`: which host is whose, and what an arriving request carries (`arrival`).
- `origins`: what another site may not make a signed-in browser do.
- `tickets`: how a browser gets in; `authorize`: who may; `verdicts`: decided lately.
- `proxy_http`, `proxy_websocket`: passing it on (`upstreams`, `headers`), as long as it may
  (`visits`), noting that somebody works there (`activity`).
- `nginx`: letting an nginx in front do that for plain content.
- `answers`: what is said instead. `app` puts it together; `portal.asgi` serves it.
"""
