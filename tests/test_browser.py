"""A real browser opens every page of the smoke edition. Skipped by name where there is no Chromium."""

from pathlib import Path

import pytest
from chromium import find_chromium, requested, visit

pytest_plugins = ["book_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not find_chromium(), reason="no Chromium with ChromeDriver on this machine"),
]


def test_every_page_has_one_heading_that_is_its_title(visits):
    for page, seen in visits.items():
        assert len(seen.headings) == 1, f"{page}: {seen.headings}"
        heading = seen.headings[0].rstrip("#").strip()
        assert heading and seen.title, page


def test_no_page_complains_in_the_console(visits):
    assert {
        page: seen.console for page, seen in visits.items() if any("SEVERE" in line for line in seen.console)
    } == {}


def test_every_image_is_loaded_and_described(visits):
    images = [(page, image) for page, seen in visits.items() for image in seen.images]
    assert len(images) > 3, "the book has figures"
    for page, image in images:
        assert image["width"] > 0, f"{page}: {image['src']} is not loaded"
        assert len(image["alt"].split()) > 2, f"{page}: {image['src']} has the alt text {image['alt']!r}"
        assert not image["alt"].endswith((".png", ".svg")), f"{page}: the alt text is a file name"


def test_no_page_shows_an_error(visits, chromium):
    for page, seen in visits.items():
        assert seen.errors == [], page


def test_formulae_are_drawn(visits):
    assert {page: seen.raw_formulae for page, seen in visits.items() if seen.raw_formulae} == {}


def test_no_table_or_formula_is_cut_off(visits):
    assert {page: seen.cut for page, seen in visits.items() if seen.cut} == {}


def test_nothing_is_asked_of_another_machine(visits, address):
    for page, seen in visits.items():
        assert any(url.startswith(address) for url in seen.requests), f"{page}: the log of requests is empty"
        foreign = [url for url in seen.requests if not url.startswith((address, "data:", "blob:"))]
        assert foreign == [], page


def test_search_finds_a_term_in_the_page_that_explains_it(smoke_book, address, chromium):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    chromium.get(f"{address}/{smoke_book.pages[0]}.html")
    button = next(
        b for b in chromium.find_elements(By.CSS_SELECTOR, "button.search-button__button") if b.is_displayed()
    )
    button.click()
    wait = WebDriverWait(chromium, 20)
    box = wait.until(
        lambda browser: next(
            (b for b in browser.find_elements(By.CSS_SELECTOR, "input[type=search]") if b.is_displayed()),
            None,
        )
    )
    box.send_keys("pseudo-replicates", Keys.ENTER)
    found = wait.until(lambda browser: browser.find_elements(By.CSS_SELECTOR, "#search-results li a"))
    assert any("book/glossary" in link.get_attribute("href") for link in found)
    assert [url for url in requested(chromium) if not url.startswith((address, "data:", "blob:"))] == []


def test_the_book_works_without_a_server(smoke_book, chromium):
    """A page opened from a folder or a memory stick."""
    seen = visit(chromium, (smoke_book.html / f"{smoke_book.pages[0]}.html").as_uri())
    assert len(seen.headings) == 1
    assert all(image["width"] > 0 for image in seen.images)
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_notebook_can_be_downloaded_from_its_page(smoke_book, address, chromium):
    page = next(page for page in smoke_book.pages if page.startswith("notebooks/"))
    chromium.get(f"{address}/{page}.html")
    links = chromium.execute_script(
        "return [...document.querySelectorAll('.dropdown-download-buttons a')].map(a => a.href)"
    )
    (link,) = [link for link in links if link.endswith(".ipynb")]
    assert Path(smoke_book.html / link.removeprefix(f"{address}/")).is_file()


def test_the_checks_notice_a_bad_page(tmp_path, chromium):
    """Proof that the checks above can fail."""
    (tmp_path / "bad.html").write_text(
        "<title>Bad</title><main><h1>One</h1><h1>Two</h1><img src='missing.png'>"
        "<div class='output traceback'>boom</div><span class='math'>x^2</span>"
        "<div style='width: 50px; overflow: auto'><table><td>incomprehensibilities</table></div></main>"
        "<script src='http://127.0.0.1:9/elsewhere.js'></script>"
    )
    seen = visit(chromium, (tmp_path / "bad.html").as_uri())
    assert seen.headings == ["One", "Two"]
    assert [(image["width"], image["alt"]) for image in seen.images] == [(0, "")]
    assert seen.errors == ["boom"] and seen.raw_formulae == 1
    assert seen.cut == ["incomprehensibilities"]
    assert any("SEVERE" in line for line in seen.console)
    assert "http://127.0.0.1:9/elsewhere.js" in seen.requests
