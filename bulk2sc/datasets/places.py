"""Where files are to be had: in a mirror, a folder on the web, an article of Figshare; what each offers."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import filter as matching
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from bulk2sc.datasets import transfer
from bulk2sc.datasets.registry import FIGSHARE
from bulk2sc.datasets.transfer import HTTP, Offer, Unavailable
from bulk2sc.errors import Bulk2scError

API = "https://api.figshare.com/v2/articles"
NAMED_AT_MOST = 10  # files that an article of Figshare names itself; more have to be asked for
Result = TypeVar("Result")


def mirror(key: str) -> list[str]:
    """Return the folder of a source in BULK2SC_MIRROR, ``.../key/``; nothing where there is no mirror."""
    base = os.environ.get("BULK2SC_MIRROR")
    return [f"{base.rstrip('/')}/{key}/"] if base else []


def first_of(
    attempts: Sequence[tuple[str, Callable[[], Result]]], key: str, what: str, wanted: str = ""
) -> Result:
    """
    Return what the first place gives; say on stderr which were passed over as `Unavailable`, and why.

    Parameters
    ----------
    attempts
        Each a place and what to call to get something from there.
    key, what, wanted
        For the error: the source, what was looked for, a sentence on the names of its files.

    Raises
    ------
    Bulk2scError
        If no place has it: lists every place with its reason.
    """
    problems: list[str] = []
    for place, attempt in attempts:
        try:
            return attempt()
        except Unavailable as problem:
            said = f"{place} ({problem})"
        if said in problems:
            continue
        problems.append(said)
        if attempt is not attempts[-1][1]:
            print(f"bulk2sc: warning: {what}: not from {said}", file=sys.stderr)
    raise Bulk2scError(
        f"{what}: not to be had from {' or '.join(problems)}. {wanted}Check the network, set BULK2SC_MIRROR"
        " to a folder or address that has it, or download it by hand and run:"
        f" bulk2sc fetch {key} --from FILE"
    )


def offers(place: str, patterns: Sequence[str]) -> list[Offer]:
    """
    Return the file that a place has for each pattern.

    Parameters
    ----------
    place
        ``figshare:number`` of an article, the http address of a folder, or the path of a folder.
    patterns
        Names with the wildcards of `fnmatch`. A folder on the web is listed only if there is a wildcard.

    Returns
    -------
    Offers in the order of the patterns.

    Raises
    ------
    Unavailable
        If the place cannot be listed, or not just one file is like a pattern: the message names the nearest.
    """
    if place.startswith(FIGSHARE):
        found = _article(f"{API}/{place.removeprefix(FIGSHARE)}")
    elif not place.startswith(HTTP):
        found = _folder(Path(place))
    elif any(set(pattern) & set("*?[") for pattern in patterns):
        found = _web_folder(place)
    else:
        found = [Offer(name, urljoin(place, name)) for name in patterns]
    plain = {offer.name: offer for offer in found if is_plain(offer.name)}
    return [plain[_only(pattern, plain)] for pattern in patterns]


def is_plain(name: str) -> bool:
    """Whether a name can be that of a whole file in the cache: no folder, not hidden, not a beginning."""
    return bool(re.fullmatch(r"\w[\w .+()-]*", name, re.ASCII)) and not name.endswith(".part")


def _only(pattern: str, names: Iterable[str]) -> str:
    alike = matching(names, pattern)
    if len(alike) == 1:
        return alike[0]
    near = ", ".join(get_close_matches(pattern, alike or list(names), n=5, cutoff=0))
    if alike:
        raise Unavailable(f"{len(alike)} files like '{pattern}', one was expected; it has {near}")
    raise Unavailable(f"no file like '{pattern}'; it has {near or 'none at all'}")


def _folder(folder: Path) -> list[Offer]:
    if not folder.is_dir():
        raise Unavailable("no such folder")
    return [Offer(file.name, str(file), file.stat().st_size) for file in folder.iterdir() if file.is_file()]


def _web_folder(address: str) -> list[Offer]:
    """Read the listing that web servers make of a folder: a page of links."""
    page = _ask(address)
    links, base = _Links(page.text).found, urljoin(page.url, ".")
    inside = [link for link in (urljoin(base, link) for link in links) if link.startswith(base)]
    return [Offer(unquote(link.removeprefix(base)), link) for link in inside]


class _Links(HTMLParser):
    """The links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect where a link leads to."""
        self.found += [value for name, value in attrs if (tag, name) == ("a", "href") and value]


def _article(address: str) -> list[Offer]:
    try:
        files = _ask(address).json()["files"]
        if len(files) >= NAMED_AT_MOST:
            files = _ask(f"{address}/files?page_size=1000").json()
        return [_figshare_offer(file) for file in files if file["download_url"].startswith(HTTP)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unavailable("its answer is not that of Figshare") from error


def _figshare_offer(file: dict[str, Any]) -> Offer:
    return Offer(file["name"], file["download_url"], int(file["size"]), file.get("computed_md5") or "")


def _ask(address: str) -> requests.Response:
    retries = Retry(
        transfer.TRIES - 1,
        backoff_factor=transfer.PAUSE,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    with requests.Session() as session:
        for scheme in HTTP:
            session.mount(scheme, HTTPAdapter(max_retries=retries))
        try:
            answer = session.get(address, timeout=transfer.TIMEOUT)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise Unavailable(transfer.reason(error)) from error
    return answer
