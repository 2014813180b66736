"""Does the built site need a network, and does its search find pages? ``python docs/check_site.py FOLDER``

A page that loads a script, a style, a font or an image from elsewhere does not open on a machine without a network, and
tells somebody that it was read. Links that a reader may click are no part of it.
"""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

from sphinx.search.en import SearchEnglish

# words that a reader types -> page that has to be among those found
WANTED = {
    "night": "how_to/every_night",
    "webhook": "how_to/every_night",
    "dicom": "privacy",
    "martingale": "gallery",
    "holter": "tutorials/own_ecg",
}
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
_OUTWARD = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)


class _Loads(HTMLParser):
    """What a page loads from elsewhere when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = {name: value or "" for name, value in attrs}
        address = given.get(LOADED.get(tag, ""), "")
        if tag == "link" and not {"canonical", "search", "next", "prev", "author"} & set(
            given.get("rel", "").split()
        ):
            address = given.get("href", "")
        if _OUTWARD.match(address):
            self.found.append(address)


def outward(folder: Path) -> list[str]:
    """Files of a site with what each loads from elsewhere."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".html":
            page = _Loads()
            page.feed(path.read_text("utf-8"))
            found += [f"{path.relative_to(folder)}: {address}" for address in page.found]
        elif path.suffix == ".css":
            addresses = _IN_CSS.findall(path.read_text("utf-8"))
            found += [f"{path.relative_to(folder)}: {address}" for address in addresses]
    return found


def not_found(folder: Path, wanted: dict[str, str]) -> list[str]:
    """Words whose page the search of a site does not find."""
    text = (folder / "searchindex.js").read_text("utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    stem = SearchEnglish({}).stem
    missing = []
    for word, page in wanted.items():
        places = {
            number
            for terms in (index["terms"], index["titleterms"])
            for number in [terms.get(stem(word), [])]
            for number in (number if isinstance(number, list) else [number])
        }
        if page not in {index["docnames"][number] for number in places}:
            missing.append(f"the search for '{word}' does not find {page}")
    return missing


def main(folder: Path) -> int:
    """Print what is wrong; 1 where anything is."""
    wrong = [f"loads from elsewhere: {one}" for one in outward(folder)] + not_found(folder, WANTED)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
