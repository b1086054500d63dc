"""A real browser on the built book, over HTTP and from file://, with every request to another host refused."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from built_book import SITE

# What .ci/run looks for, too.
BROWSERS = ("chromium", "google-chrome", "chromium-browser")


@pytest.fixture(scope="session")
def chromium():
    """Chromium or Chrome, headless, by Playwright."""
    from playwright.sync_api import sync_playwright

    if not SITE.exists():
        pytest.fail("the book is not built: run `make book` first")
    path = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.fail(f"no browser found: install one of {', '.join(BROWSERS)}, or name it in BROWSER_PATH")
    with sync_playwright() as playwright:
        # Chrome does not start its sandbox for root, which is who runs tests in many containers.
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        arguments += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="session")
def served() -> str:
    """The address at which the built book is served."""
    handler = functools.partial(_Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass
class Heard:
    """What a page asked of other hosts, and what it complained of."""

    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def visit(chromium, served):
    """Open a page: visit("book/intro.html", width=360, dark=True, how="file", **context options) → page, heard."""
    contexts = []

    def open_page(path: str, *, width: int = 1280, height: int = 900, dark: bool = False, how: str = "http", **options):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **options
        )
        contexts.append(context)
        heard = Heard()

        def pass_or_refuse(route) -> None:
            host = urlsplit(route.request.url).hostname
            if host in (None, "", "127.0.0.1"):
                route.continue_()
            else:
                heard.foreign.append(route.request.url)
                route.abort()

        context.route("**/*", pass_or_refuse)
        page = context.new_page()
        page.on("console", lambda message: heard.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: heard.errors.append(str(error)))
        page.goto(f"{served}/{path}" if how == "http" else (SITE / path).as_uri(), wait_until="load")
        return page, heard

    yield open_page
    for context in contexts:
        context.close()
