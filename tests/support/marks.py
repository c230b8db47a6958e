"""The markup of a page, taken apart strictly."""

from __future__ import annotations

from html.parser import HTMLParser


class Marks(HTMLParser):
    """Checks that elements are closed as they were opened, and collects what attributes there are."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "path", "rect", "circle", "line", "use"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def marks(text: str) -> Marks:
    found = Marks()
    found.feed(text)
    found.close()
    assert found.open == []
    return found
