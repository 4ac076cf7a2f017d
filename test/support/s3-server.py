"""Amazon S3 for the tests, by moto.

Connections are served at once, requests one at a time, each after its body is here: so a condition is checked and the object put in one step, as on S3. A page of a listing is
short, so that few objects are many.
"""

import io
import logging
import os
import threading

os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "10"

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
WSGIRequestHandler.protocol_version = "HTTP/1.1"
app = DomainDispatcherApplication(create_backend_app)
one_at_a_time = threading.Lock()


def serve(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    with one_at_a_time:
        return [b"".join(app(environ, start_response))]


server = make_server("127.0.0.1", 0, serve, threaded=True)
print(server.port, flush=True)
server.serve_forever()
