"""Where files are to be had: in a mirror, a folder on the web, an article of Figshare; what each offers."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import filter as matching
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from bulk2sc.datasets.registry import FIGSHARE
from bulk2sc.datasets.transfer import HTTP, Offer, Unavailable, get
from bulk2sc.errors import Bulk2scError

API = "https://api.figshare.com/v2/articles"
LINK = re.compile(r"""<a\s[^>]*?href=["']?([^"'\s>]+)""", re.IGNORECASE)


def mirror(key: str) -> list[str]:
    """Return the folder of a source in BULK2SC_MIRROR, ``.../key/``; nothing where there is no mirror."""
    base = os.environ.get("BULK2SC_MIRROR")
    return [f"{base.rstrip('/')}/{key}/"] if base else []


def first_of(attempts: Sequence[tuple[str, Callable[[], Any]]], key: str, what: str, wanted: str = "") -> Any:
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
        found = _article(place.removeprefix(FIGSHARE))
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
    page = get(address)
    base = urljoin(page.url, ".")
    links = [urljoin(base, unescape(link)) for link in LINK.findall(page.text)]
    return [Offer(unquote(link.removeprefix(base)), link) for link in links if link.startswith(base)]


def _article(number: str) -> list[Offer]:
    try:
        files = get(f"{API}/{number}/files?page_size=1000").json()
        return [
            Offer(file["name"], file["download_url"], int(file["size"]), file.get("computed_md5") or "")
            for file in files
            if file["download_url"].startswith(HTTP)
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unavailable("its answer is not that of Figshare") from error
