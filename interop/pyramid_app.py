"""The testbed's session routes on Pyramid, the other side of the interoperability tests.

The same requests give the same answers as at the testbed, from Pyramid's own
SignedCookieSessionFactory. Prints `listening on http://ADDRESS` when it is
ready and ends when its stdin closes.
"""

import argparse
import os
import sys
import threading

import waitress.server
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory

ROUTES = []


def route(method, path):
    """Registers a view that answers with JSON, or with a response of its own."""

    def register(view):
        ROUTES.append((method, path, view))
        return view

    return register


def body(request):
    return request.json_body if request.body else {}


@route("GET", "/none")
def none(request):
    return {}


@route("GET", "/fred")
def fred(request):
    session = request.session
    if "abc" in session:
        session["fred"] = "yes"
    session["abc"] = "123"
    found = "in" if "fred" in session else "not in"
    return Response(f"Fred was {found} the session", content_type="text/plain")


@route("GET", "/info")
def info(request):
    session = request.session
    return {
        "new": session.new,
        "created": int(session.created),
        "len": len(session),
        "keys": list(session.keys()),
    }


@route("GET", "/get")
def get(request):
    return {"value": request.session.get(request.params["key"])}


@route("GET", "/all")
def all_values(request):
    return {"values": dict(request.session.items())}


@route("POST", "/set")
def set_value(request):
    sent = body(request)
    previous = request.session.get(sent["key"])
    request.session[sent["key"]] = sent["value"]
    return {"previous": previous}


@route("POST", "/set-default")
def set_default(request):
    sent = body(request)
    return {"value": request.session.setdefault(sent["key"], sent["value"])}


@route("POST", "/update")
def update(request):
    request.session.update(body(request)["values"])
    return {}


@route("POST", "/add")
def add(request):
    sent = body(request)
    value = request.session.get(sent["key"], 0) + sent["by"]
    request.session[sent["key"]] = value
    return {"value": value}


@route("POST", "/remove")
def remove(request):
    key = body(request)["key"]
    if key not in request.session:
        return {}
    return {"key": key, "value": request.session.pop(key)}


@route("POST", "/pop-item")
def pop_item(request):
    if not request.session:
        return {}
    key, value = request.session.popitem()
    return {"key": key, "value": value}


@route("POST", "/clear")
def clear(request):
    request.session.clear()
    return {}


@route("POST", "/changed")
def changed(request):
    request.session.changed()
    return {}


@route("POST", "/invalidate")
def invalidate(request):
    request.session.invalidate()
    return {}


@route("POST", "/flash")
def flash(request):
    sent = body(request)
    queue = sent.get("queue", "")
    request.session.flash(sent["message"], queue, sent.get("allow_duplicate", True))
    return {}


@route("POST", "/pop-flash")
def pop_flash(request):
    return {"messages": request.session.pop_flash(body(request).get("queue", ""))}


@route("GET", "/peek-flash")
def peek_flash(request):
    return {"messages": request.session.peek_flash(request.params.get("queue", ""))}


@route("GET", "/csrf/token")
def csrf_token(request):
    return {"token": request.session.get_csrf_token()}


@route("POST", "/csrf/new")
def csrf_new(request):
    return {"token": request.session.new_csrf_token()}


@route("GET", "/csrf/form")
def csrf_form(request):
    token = request.session.get_csrf_token()
    field = f'<input type="hidden" name="csrf_token" value="{token}">'
    page = f'<form method="post" action="/csrf/guarded">{field}</form>'
    return Response(page, content_type="text/html")


@route("POST", "/csrf/guarded")
def csrf_guarded(request):
    return {"body": request.text}


def make_app(options):
    sessions = SignedCookieSessionFactory(
        options.secret,
        httponly=True,
        timeout=options.timeout,
        reissue_time=options.reissue_time,
    )
    with Configurator(session_factory=sessions) as config:
        for method, path, view in ROUTES:
            config.add_route(path, path, request_method=method)
            guarded = path == "/csrf/guarded"
            config.add_view(view, route_name=path, renderer="json", require_csrf=guarded)
    return telling_refusals(config.make_wsgi_app())


def telling_refusals(app):
    """A session too large for its cookie fails after the view, out of Pyramid's own reach."""

    def wrapped(environ, start_response):
        try:
            return app(environ, start_response)
        except ValueError as error:
            text = str(error).encode()
            headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
            start_response("500 Internal Server Error", headers)
            return [text]

    return wrapped


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--secret", required=True)
    parser.add_argument("--timeout", type=int, default=1200)
    parser.add_argument("--reissue-time", type=int, default=0)
    return parser.parse_args()


def end_with_stdin():
    sys.stdin.read()
    # Nothing is to be saved, and waitress has no call to stop from another thread.
    os._exit(0)


def main():
    options = parse_options()
    host, port = options.listen.rsplit(":", 1)
    server = waitress.server.create_server(make_app(options), host=host, port=int(port))
    threading.Thread(target=end_with_stdin, daemon=True).start()
    print(f"listening on http://{host}:{server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
