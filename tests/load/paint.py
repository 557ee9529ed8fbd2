"""How long until the largest thing of each page is painted, and how much was loaded for it: prints a table.

    python -m tests.load.paint http://localhost:8000 EMAIL PASSWORD

A patient's e-mail and password, for example of the demo accounts that `make run` prints. Times depend on the machine
and on what else it does, so nothing here fails.
"""

from __future__ import annotations

import sys

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PAGES = ("/", "/model/", "/find/", "/account/login/", "/cases/", "/cases/new/", "/app/en/offline/", "/account/data/")
PAINT = """() => new Promise((done) => { let last = 0;
    new PerformanceObserver((list) => { last = list.getEntries().at(-1).startTime; })
        .observe({type: "largest-contentful-paint", buffered: true});
    setTimeout(() => done(last), 600); })"""


def log_in(page: Page, address: str, email: str, password: str) -> None:
    page.goto(f"{address}/account/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", password)
    page.click("main form button[type=submit] >> nth=0")
    page.wait_for_load_state("networkidle")


def measure(page: Page, url: str) -> tuple[float, float]:
    """(milliseconds until the largest paint, kilobytes over the wire without photos) of a first visit."""
    sizes: list[int] = []

    def add(response) -> None:
        if "/photos/" not in response.url and response.ok:
            sizes.append(int(response.headers.get("content-length") or 0) or len(response.body()))

    page.on("response", add)
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.remove_listener("response", add)
    return page.evaluate(PAINT), sum(sizes) / 1000


def main(address: str, email: str, password: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 390, "height": 844}, service_workers="block")
        page = context.new_page()
        log_in(page, address, email, password)
        context.request.get(address)  # the server is warm
        sys.stdout.write(f"{'page':28} {'LCP ms':>8} {'kB':>8}\n")
        for path in PAGES:
            fresh = browser.new_context(
                viewport={"width": 390, "height": 844}, service_workers="block", storage_state=context.storage_state()
            )
            milliseconds, kilobytes = measure(fresh.new_page(), address + path)
            fresh.close()
            sys.stdout.write(f"{path:28} {milliseconds:8.0f} {kilobytes:8.1f}\n")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:4])
