"""What a person does with the page, in Playwright's words."""

from __future__ import annotations

import base64
import mimetypes
import time
from pathlib import Path

PATIENCE_MS = 60_000
EXPECTED_STATUS = "Failed to load resource"  # the browser's own line about a status that the page deals with

_TRANSFER = """files => {
  const transfer = new DataTransfer();
  for (const { name, type, data } of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  return transfer;
}"""


class Desk:
    """The page in front of somebody, and what the browser complained about."""

    def __init__(self, page, url):
        self.page = page
        self.url = url
        self.problems = []
        self.choosers = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)
        page.on("dialog", self._refuse)
        page.on("filechooser", self._take_chooser)

    def open(self, path=""):
        self.page.goto(f"{self.url}{path}")
        self.until("document.querySelector('#library-summary').textContent !== 'Library'")

    def show_pages_of(self, count):
        """Let the page ask for so many hits at first, since the library has only few."""

        def give(route):
            script = route.fetch()
            body = script.text()
            assert "k: 30," in body
            route.fulfill(response=script, body=body.replace("k: 30,", f"k: {count},"))

        self.page.route("**/static/query.js", give)

    def find(self, selector):
        return self.page.locator(selector)

    def button(self, name, within="body"):
        return self.page.locator(within).get_by_role("button", name=name, exact=True)

    @property
    def cards(self):
        return self.page.locator(".card")

    def card(self, name):
        """The card of a file."""
        return self.page.locator(".card", has=self.page.locator(".name", has_text=name))

    @property
    def names(self):
        """The files of all hits that are shown, best first."""
        return self.page.locator(".card .name").all_inner_texts()

    def choose(self, *paths):
        """Choose files in the browser's own dialog."""
        with self.search():
            self.page.set_input_files("#file", paths)

    def drop(self, *paths, on="body"):
        """Drag files in from outside and let them go."""
        files = [_as_file(Path(path)) for path in paths]
        transfer = self.page.evaluate_handle(_TRANSFER, files)
        for event in ("dragenter", "dragover", "drop"):
            self.page.dispatch_event(on, event, {"dataTransfer": transfer})

    def paste(self, path):
        """Paste a file."""
        transfer = self.page.evaluate_handle(_TRANSFER, [_as_file(Path(path))])
        self.page.evaluate(
            "data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))",
            transfer,
        )

    def search(self, is_meant=lambda _term: True):
        """`with desk.search() as found:` waits for the answer to a query; `body_of(found)` is what was asked.

        Args:
            is_meant: of the query's first term; on a slow machine one gesture may ask more than once on its way.
        """

        def is_answer(response):
            is_query = response.url.endswith("/v1/search") and response.request.method == "POST"
            return is_query and is_meant(response.request.post_data_json["terms"][0])

        return self.page.expect_response(is_answer)

    def until(self, expression):
        """Wait until something holds in the page; `wait_for_function` would be stopped by the page's own policy."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"it did not come to be that {expression}"
            self.page.wait_for_timeout(30)

    def chooser(self):
        """The browser's own dialog for files, once it was opened."""
        while not self.choosers:
            self.page.wait_for_timeout(30)
        return self.choosers.pop()

    def settled(self):
        """Wait until hits are shown."""
        self.page.wait_for_selector(".results:not([aria-busy]) .card")
        return self

    def _hear(self, message):
        if message.type in {"error", "warning"} and EXPECTED_STATUS not in message.text:
            self.problems.append(message.text)

    def _take_chooser(self, chooser):
        self.choosers.append(chooser)

    def _refuse(self, dialog):
        self.problems.append(f"the page opened a dialog: {dialog.message}")
        dialog.dismiss()


def body_of(found):
    """The query that was asked, and the answer to it."""
    response = found.value
    return response.request.post_data_json, response.json()


def _as_file(path):
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {"name": path.name, "type": kind, "data": base64.b64encode(path.read_bytes()).decode()}
