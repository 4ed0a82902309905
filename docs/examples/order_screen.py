"""A screen of another program that shows an order's conversation in a frame, in the standard library alone.

    CONSOLE_LINK_KEYS="k1:…" python docs/examples/order_screen.py

Then open http://127.0.0.1:8100/30415/70 (the order's number and its id). CONSOLE_URL is where the console
listens, PORT is where this screen does, and ORIGIN is the origin that may frame the page: this screen's own.
"""

import hmac
import html
import os
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlencode

CONSOLE = os.environ.get("CONSOLE_URL", "http://127.0.0.1:8090")
KEY, SECRET = os.environ["CONSOLE_LINK_KEYS"].split(",")[0].split(":", 1)
PORT = int(os.environ.get("PORT", "8100"))
ORIGIN = os.environ.get("ORIGIN", f"http://127.0.0.1:{PORT}")

PAGE = """<!doctype html>
<html lang="pt-BR"><meta charset="utf-8"><title>OS {number}</title>
<h1>OS {number}</h1>
<iframe src="{link}" title="Conversa da OS {number}" style="width: 100%; height: 40rem; border: 0"></iframe>
</html>"""


def order_link(number: str, order: str, level: str = "analyst", minutes: int = 15) -> str:
    """Return a signed link to the order's page, which this screen's origin alone may frame."""
    expires = int(time.time()) + 60 * minutes
    lines = ("whatsapp-pipeline order link v1", KEY, number, order, level, str(expires), ORIGIN)
    signature = hmac.new(SECRET.encode(), "\n".join(lines).encode(), "sha256").hexdigest()
    query = {
        "order": order,
        "level": level,
        "expires": expires,
        "key": KEY,
        "origins": ORIGIN,
        "signature": signature,
    }
    return f"{CONSOLE}/embed/orders/{quote(number, safe='')}?{urlencode(query)}"


class OrderScreen(BaseHTTPRequestHandler):
    """The screen. A real one asks first whether its user may see the order."""

    def do_GET(self) -> None:  # the standard library's name
        """Answer /NUMBER/ID with the screen of an order."""
        asked = re.fullmatch(r"/([\w-]{1,40})/([1-9][0-9]{0,18})", self.path)
        if asked is None:
            self.send_error(404)
            return
        number, order = asked.groups()
        link = order_link(number, order)
        body = PAGE.format(number=html.escape(number), link=html.escape(link)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), OrderScreen).serve_forever()
