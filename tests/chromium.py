"""What Chromium sees on a page."""

import json
import shutil
from dataclasses import dataclass, field


def find_chromium() -> tuple[str, str] | None:
    """Return the browser and its driver, or None where one is missing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@dataclass
class Visit:
    """What the browser saw on one page."""

    title: str
    headings: list[str]
    images: list[dict]
    raw_formulae: int
    errors: list[str]
    cut: list[str]
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


# Runs in the page: waits for images and formulae, then reports.
LOOK = """
const done = arguments[0];
const images = [...document.querySelectorAll('article img, main img')];
const settled = images.map(img => { img.loading = 'eager'; return img.decode().catch(() => 0); });
const wide = e => e.scrollWidth > e.clientWidth + 1;
const shapes = () => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const tables = [...document.querySelectorAll('main table')].map(table => table.parentElement);
  const formulae = [...document.querySelectorAll('div.math, div.math mjx-container')];
  return [...tables, ...formulae].filter(wide).map(e => e.innerText.slice(0, 80));
};
const maths = window.MathJax && window.MathJax.startup ? window.MathJax.startup.promise : null;
Promise.all([...settled, maths]).then(() => done({
  title: document.title,
  headings: [...document.querySelectorAll('h1')].map(h => h.innerText.trim()),
  images: images.map(img => ({src: img.src, width: img.naturalWidth, alt: img.getAttribute('alt') || ''})),
  raw_formulae: [...document.querySelectorAll('.math')].filter(m => !m.querySelector('mjx-container')).length,
  errors: [...document.querySelectorAll('.output.stderr, .output.traceback, .cell_output .traceback')]
    .map(e => e.innerText),
  cut: shapes(),
}));
"""


def visit(browser, url: str) -> Visit:
    """Open one page, wait until it is drawn, and report on it."""
    for log in ("browser", "performance"):
        browser.get_log(log)  # reading empties it
    browser.get(url)
    seen = Visit(**browser.execute_async_script(LOOK))
    seen.console = [f"{entry['level']}: {entry['message']}" for entry in browser.get_log("browser")]
    seen.requests = requested(browser)
    return seen


def requested(browser) -> list[str]:
    """Return the addresses asked for since the performance log was last read."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    starts = ("Network.requestWillBeSent", "Network.webSocketCreated")
    found = [message["params"] for message in messages if message["method"] in starts]
    return [params["request"]["url"] if "request" in params else params["url"] for params in found]
