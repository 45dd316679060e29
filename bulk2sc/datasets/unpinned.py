"""
Sources that have alternatives: the checksums of their files are not known, but noted when the files come.

From then on a file has to be the noted one. ``SHA256SUMS`` in the folder of the source holds the notes, in
the form of `sha256sum`; it also tells which alternative was taken, so that no network is needed again.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from fnmatch import filter as matching
from functools import partial
from pathlib import Path

from bulk2sc.datasets.cache import cache_dir, slot
from bulk2sc.datasets.intact import damage, md5, sha256
from bulk2sc.datasets.places import first_of, is_plain, mirror, offers
from bulk2sc.datasets.registry import Alternative, Source
from bulk2sc.datasets.transfer import Offer, Unavailable, bring, size_of
from bulk2sc.errors import Bulk2scError

NOTES = "SHA256SUMS"


def held(about: Source) -> dict[str, str]:
    """Return name and noted sha256 of the files of the first alternative that is complete, if one is."""
    notes = _notes(cache_dir() / about.key)
    complete = (names for each in about.alternatives if all(names := _named(each, notes)))
    return {name: notes[name] for name in next(complete, [])}


def here(about: Source) -> list[int]:
    """Return the bytes of each file, 0 of a missing one, of the alternative that has most files here."""
    folder = cache_dir() / about.key
    notes = _notes(folder)
    found = [
        [size_of(folder / name) if name else 0 for name in _named(each, notes)] for each in about.alternatives
    ]
    return max(found, key=lambda sizes: sum(map(bool, sizes)) / len(sizes))


def intact(about: Source) -> list[Path]:
    """Return the files that `held` names, or nothing if one is missing or no longer the noted one."""
    paths = {cache_dir() / about.key / name: sha for name, sha in held(about).items()}
    for path, sha in paths.items():
        if not path.exists() or sha256(path) != sha:
            print(f"bulk2sc: warning: {path} is missing or damaged, it is brought again", file=sys.stderr)
            return []
    return list(paths)


def bring_first(about: Source) -> list[Path]:
    """
    Bring the files of the first alternative that a place has: the mirror's, then the public ones.

    Raises
    ------
    Bulk2scError
        If no place has all files of an alternative, as they should be.
    """
    notes = _notes(cache_dir() / about.key)
    # What was complete once is gone back to: results must not change because another place is up today.
    taken = [each for each in about.alternatives if all(_named(each, notes))][:1]
    places = [(folder, each.files) for folder in mirror(about.key) for each in taken or about.alternatives]
    places += [(each.place, each.files) for each in taken or about.alternatives]
    attempts = [(place, partial(_bring_all, about.key, place, files)) for place, files in places]
    return first_of(attempts, about.key, about.key, f"Wanted: {about.wanted}. ")


def take(about: Source, path: Path) -> Path:
    """
    Copy a file given by hand: its name says which it is. It may replace another of that name.

    Raises
    ------
    Bulk2scError
        If the name is like no pattern of the source, or the file is damaged.
    """
    patterns = [pattern for alternative in about.alternatives for pattern in alternative.files]
    if not is_plain(path.name) or not any(matching([path.name], pattern) for pattern in patterns):
        raise Bulk2scError(
            f"{path}: its name does not say which file of {about.key} it is: expected {about.wanted}."
            " Give it the name that it has at its source."
        )
    target, offer = cache_dir() / about.key / path.name, Offer(path.name, str(path), size_of(path))
    with slot(target, offer.size) as part:
        shutil.copyfile(path, part)
        try:
            _keep(offer, part, target, known="")
        except Unavailable as problem:
            raise Bulk2scError(f"{path}: not taken for {about.key}: {problem}.") from problem
    return target


def _bring_all(key: str, place: str, patterns: Sequence[str]) -> list[Path]:
    paths = [_bring(key, offer) for offer in offers(place, patterns)]
    print(f"bulk2sc: {key}: taken from {place}", file=sys.stderr)
    return paths


def _bring(key: str, offer: Offer) -> Path:
    target = cache_dir() / key / offer.name
    with slot(target, offer.size) as part:
        known = _notes(target.parent).get(offer.name, "")
        if not (known and target.exists() and sha256(target) == known):
            try:
                bring(offer, part)
                _keep(offer, part, target, known)
            except Unavailable as problem:
                raise Unavailable(f"{offer.name}: {problem}") from problem
    return target


def _keep(offer: Offer, part: Path, target: Path, known: str) -> None:
    """Give a part file its name if it is right, and still the known one where a sha256 is known; note it."""
    found, notes = sha256(part), target.with_name(NOTES)
    if problem := _problem(offer, part) or _change(found, known, notes):
        part.unlink()
        raise Unavailable(problem)
    with slot(notes, None) as new:
        noted = _notes(target.parent)
        noted.pop(offer.name, None)
        noted[offer.name] = found  # the latest last
        new.write_text("".join(f"{sha}  {name}\n" for name, sha in noted.items()), encoding="utf-8")
        os.replace(new, notes)
    os.replace(part, target)


def _problem(offer: Offer, part: Path) -> str:
    size = size_of(part)
    if offer.size is not None and size != offer.size:
        return f"it has {size} bytes, expected {offer.size}"
    if offer.md5 and (found := md5(part)) != offer.md5:
        return f"wrong checksum: found md5 {found}, expected {offer.md5}"
    return damage(part, offer.name)


def _change(found: str, known: str, notes: Path) -> str:
    if known in ("", found):
        return ""
    remedy = f"to take the new one, delete the folder {notes.parent}"
    return f"another file than the first time: found sha256 {found}, noted {known}; {remedy}"


def _notes(folder: Path) -> dict[str, str]:
    """Return the noted sha256 by file name, the latest last."""
    path = folder / NOTES
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {name: sha for sha, name in re.findall(r"^([0-9a-f]{64})  (.+)$", text, re.MULTILINE)}


def _named(alternative: Alternative, notes: dict[str, str]) -> list[str]:
    """Return the latest noted file for each pattern, an empty name where there is none."""
    return [(matching(notes, pattern) or [""])[-1] for pattern in alternative.files]
