"""Host names, paths and headers by which a request pretends to be another."""

from __future__ import annotations

from tests.attacks.wire import AWAY, REFUSED, Raw, Request

KIND = "names"
HOSTS = {
    "of another site": "evil.example",
    "of another site with the portal's below it": "localhost.evil.example",
    "of nobody": "",
    "that is a path": "../../etc/passwd",
    "that has a name before it": "evil@localhost:{port}",
    "that has a blank": "localhost evil.example",
    "that has two ports": "localhost:80:{port}",
    "that has a port of letters": "localhost:abc",
    "that ends in a dot": "evil.example.",
    "that is an address of the network": "169.254.169.254",
    "that is a label of 300 letters": "x" * 300 + ".localhost:{port}",
    "that has an empty label": "..localhost:{port}",
    "that has an underscore": "a_b.localhost:{port}",
    "that has letters like others": "lоcalhost".encode().decode("latin-1"),
    "that has a tab": "localhost\t.evil.example",
    "that quotes": 'localhost"onload="x',
}
TRICKS = {
    "the address in another header": ("X-Original-URL", "/admin/"),
    "the address in yet another header": ("X-Rewrite-URL", "/admin/"),
    "another method in a header": ("X-HTTP-Method-Override", "DELETE"),
    "the host in another header": ("X-Forwarded-Host", "evil.example"),
    "the host in Forwarded": ("Forwarded", "host=evil.example;for=127.0.0.1"),
    "the machine's address as one's own": ("X-Forwarded-For", "127.0.0.1"),
    "the machine's address as one's real one": ("X-Real-IP", "127.0.0.1"),
    "the client's address in a header of a cloud": ("True-Client-IP", "127.0.0.1"),
    "a user of the web server's": ("X-Remote-User", "root"),
    "a user in the header of single sign-on": ("Remote-User", "root"),
    "a guess at nginx's secret": ("X-Bindery-Secret", "guessed"),
    "a guess at nginx's secret with underscores": ("X_Bindery_Secret", "guessed"),
}
PATHS = {
    "climb out of the static files": "/static/../../etc/passwd",
    "climb out of the static files, escaped": "/static/%2e%2e/%2e%2e/etc/passwd",
    "climb out of the static files, escaped twice": "/static/%252e%252e/%252e%252e/etc/passwd",
    "climb out of the static files with backslashes": "/static/..\\..\\etc\\passwd",
    "climb out of the examples": "/examples/hello.git/../../../etc/passwd",
    "climb out of the examples, escaped": "/examples/hello.git/..%2f..%2f..%2fetc/passwd",
    "climb out of the examples with dots that are escaped": "/examples/%2e%2e.git/config",
    "read the portal's database among static files": "/static/../db.sqlite3",
    "read the portal's secret key among static files": "/static/%2e%2e/secret-key",
    "put NUL into a path": "/static/%00/etc/passwd",
    "begin a path with two slashes": "//etc/passwd",
    "put a semicolon into a path": "/admin;/",
    "ask for the admin in capitals": "/ADMIN/",
    "ask for a file of git's": "/.git/config",
    "ask for a file of variables": "/.env",
    "ask for the code": "/manage.py",
    "ask for a page of errors with debugging": "/no-such/?debug=1",
    "ask for the way that nginx asks": "/_bindery/allowed",
    "ask for the figures without their token": "/metrics",
}
LEADING = {
    "to another site": "https://evil.example/",
    "to another site without a protocol": "//evil.example/",
    "to another site with backslashes": "/\\evil.example/",
    "to another site with a tab": "/%09/evil.example/",
    "to another site with three slashes": "///evil.example/",
    "to another site with a name before it": "http://localhost@evil.example/",
    "to a script": "javascript:alert(1)",
    "to data": "data:text/html,x",
    "past the end of a line": "/%0d%0aSet-Cookie:%20x=y",
}
AWAY_FROM_HERE = ("\nlocation: http://evil", "\nlocation: https://evil", "\nlocation: //", "\nlocation: /\\",
                  "\nlocation: javascript:", "\nlocation: data:", "\nlocation: http://localhost@",
                  "\nset-cookie: x=y")  # fmt: skip
ATTEMPTS = (
    *(
        Request(KIND, f"ask a host {how}", "/", host=host, closes=True, without=("evil.example",),
                answers=REFUSED)
        for how, host in HOSTS.items()
    ),
    Raw(KIND, "name two hosts, the portal and a notebook",
        "GET /lab HTTP/1.1\r\nHost: localhost:{port}\r\nHost: {alice_project}.localhost:{port}\r\n\r\n",
        answers=REFUSED, closes=True),
    Raw(KIND, "name no host", "GET / HTTP/1.1\r\n\r\n", answers=REFUSED | {200}, closes=True),
    Raw(KIND, "name the notebook's host in the address and the portal in Host",
        "GET http://{alice_project}.localhost:{port}/api/contents HTTP/1.1\r\n"
        "Host: localhost:{port}\r\n\r\n", answers=REFUSED | AWAY, closes=True),
    *(
        Request(KIND, f"give {what}", "/admin/", headers=(header,),
                answers=REFUSED | AWAY, without=("evil.example", "Site administration"))
        for what, header in TRICKS.items()
    ),
    *(
        Request(KIND, f"give {what} to a notebook", "/_bindery/allowed",
                host="{alice_project}.localhost:{port}", headers=(TRICKS[what],),
                without=("X-Bindery-Upstream", "x-bindery-upstream"))
        for what in ("a guess at nginx's secret", "a guess at nginx's secret with underscores")
    ),
    *(
        Request(KIND, what, path, answers=REFUSED | AWAY, without=("root:", "SQLite format"))
        for what, path in PATHS.items()
    ),
    *(
        Request(KIND, f"be led {where} after signing in", f"/sign-in/?next={target}", by="mallory",
                answers=AWAY | REFUSED, without=AWAY_FROM_HERE)
        for where, target in LEADING.items()
    ),
    *(
        Request(KIND, f"be led {where} out of one's notebook",
                f"/projects/{{hostile_project}}/open/?path={target}", by="mallory",
                answers=AWAY, without=AWAY_FROM_HERE)
        for where, target in list(LEADING.items())[:6]
    ),
    Request(KIND, "have a page of errors show one's script", "/<script>alert(1)</script>/",
            without=("<script>alert(1)",)),
    Request(KIND, "have the sign-in page show one's script", "/sign-in/?next=/%22%3E%3Cscript%3E1",
            answers=frozenset({200}), without=('"><script>1',)),
    Request(KIND, "have the launch form show one's script",
            "/?repository=%22%3E%3Cscript%3E1", by="mallory", answers=frozenset({200}),
            without=('"><script>1',)),
    Request(KIND, "ask for a page", "/", answers=frozenset({200}), control=True),
    Request(KIND, "go to one's own page after signing in", "/sign-in/?next=/account/", by="mallory",
            answers=AWAY, having=("/account/",), control=True),
)  # fmt: skip
