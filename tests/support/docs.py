"""The documentation as the tests read it: pages, their blocks of code, their headings."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md", *DOCS.rglob("*.md")])

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@cache
def blocks(page: Path, language: str) -> list[str]:
    """The page's blocks of code in one language."""
    return [text for kind, text in _BLOCK.findall(page.read_text()) if kind == language]


@cache
def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _BLOCK.sub("", page.read_text())


def headings(page: Path) -> list[str]:
    return _HEADING.findall(prose(page))


def anchor(heading: str) -> str:
    """What a heading is linked by: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section(page: Path, heading: str) -> str:
    """The text below a heading, up to the next one of the same depth."""
    text = page.read_text()
    depth, rest = next(
        (match[1], text[match.end() :])
        for match in re.finditer(r"^(#+) (.+)$", text, re.MULTILINE)
        if heading in {match[2], match[2].strip("`")}
    )
    return re.split(rf"^{depth} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in a text, without headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    heads = {n - 1 for n, row in enumerate(cells) if set(row[0]) <= set("-:")}
    return [row for n, row in enumerate(cells) if n not in heads and n - 1 not in heads]
