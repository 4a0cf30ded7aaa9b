"""The measured routes on Pyramid and waitress: `python server.py NAME`; prints its port."""

import secrets
import sys

from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.session import JSONSerializer, SignedCookieSessionFactory
from waitress.server import create_server


def answer(text="ok"):
    return Response(text, content_type="text/plain")


def untouched(request):
    return answer()


def begin(request):
    request.session["n"] = 1
    request.session["theme"] = "dark"
    return answer()


def read(request):
    return answer(str(request.session["n"]))


def write(request):
    request.session["n"] += 1
    return answer()


def main(name):
    with Configurator() as config:
        views = {view.__name__: view for view in (untouched, begin, read, write)}
        if name == "pyramid":
            views = dict.fromkeys(views, untouched)
        else:
            secret = secrets.token_urlsafe(48)
            config.set_session_factory(
                SignedCookieSessionFactory(secret, serializer=JSONSerializer())
            )
        for path, view in views.items():
            config.add_route(path, f"/{path}")
            config.add_view(view, route_name=path)
        app = config.make_wsgi_app()
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    print(server.effective_port, flush=True)
    server.run()


main(sys.argv[1])
