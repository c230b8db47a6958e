"""From YAML nodes to written values: blocks, groups, keys, and what is wrong with their shape.

Every key of every block is checked, also of those that are not in force, so that a slip in
`production:` is found on the machine of whoever made it.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from servicemanager.config.catalogue import BY_KEY, Setting
from servicemanager.config.wording import name_shown, nearest
from servicemanager.config.written import Written

DEFAULT_BLOCK = "default"

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_NULL = f"{_YAML}null"
_PLAIN = frozenset(_YAML + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value"))
_SECTIONS = frozenset(key.partition(".")[0] for key in BY_KEY if "." in key)
_TOP = frozenset(key.partition(".")[0] for key in BY_KEY)

#: A key's node and its value's node, by the key's text.
Pairs = dict[str, tuple[yaml.Node, yaml.Node]]


class BlockReader:
    """One pass over the composed nodes; collects mistakes instead of stopping at the first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mistakes: list[str] = []
        self.notices: list[str] = []

    def blocks(self, root: yaml.Node) -> dict[str, tuple[Written, ...]]:
        """The values of each block, by the block's name."""
        if not isinstance(root, yaml.MappingNode):
            if root.tag != _NULL:
                self._wrong(root, f"the file should begin with a block, such as `{DEFAULT_BLOCK}:`")
            return {}
        blocks = {}
        for key, (key_node, node) in self._pairs(root).items():
            if key in _TOP:
                where = f"write it indented, under `{DEFAULT_BLOCK}:`"
                self._wrong(key_node, f"{key} stands at the top level, where it has no effect: {where}")
            else:
                blocks[key] = tuple(self._block(key, key_node, node))
        return blocks

    def _block(self, block: str, key_node: yaml.Node, node: yaml.Node) -> Iterator[Written]:
        for key, (inner_key, inner) in self._group(name_shown(block), key_node, node).items():
            if key not in _SECTIONS:
                yield from self._setting(block, ("", key), inner_key, inner)
                continue
            for name, (name_node, value) in self._group(key, inner_key, inner).items():
                yield from self._setting(block, (key, name), name_node, value)

    def _group(self, name: str, key_node: yaml.Node, node: yaml.Node) -> Pairs:
        if isinstance(node, yaml.MappingNode):
            return self._pairs(node)
        if not isinstance(node, yaml.ScalarNode) or node.value not in {"", "~", "null"}:
            self._wrong(key_node, f"{name} should hold settings, each on a line of its own as `key: value`")
        return {}

    def _pairs(self, mapping: yaml.MappingNode, seen: set[int] | None = None) -> Pairs:
        """The mapping's keys; what `<<` merges in never replaces a key of its own."""
        seen = set() if seen is None else seen
        seen.add(id(mapping))
        own: Pairs = {}
        merged: Pairs = {}
        for key_node, node in mapping.value:
            if key_node.tag == _MERGE:
                merged = self._merged(node, seen) | merged
            elif self._is_key(key_node, own):
                own[key_node.value] = (key_node, node)
        return merged | own

    def _merged(self, node: yaml.Node, seen: set[int]) -> Pairs:
        """What `<<` names: a mapping or a list of them, the first of which wins; each is read once."""
        pairs: Pairs = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                self._wrong(source, "`<<` should name a group of settings")
            elif id(source) not in seen:
                pairs = self._pairs(source, seen) | pairs
        return pairs

    def _is_key(self, node: yaml.Node, own: Pairs) -> bool:
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN:
            self._wrong(node, "a key should be a plain word")
            return False
        if node.value in own:
            first = own[node.value][0].start_mark.line + 1
            twice = f"{name_shown(node.value)} is written a second time, after line {first}: keep one of them"
            self._wrong(node, twice)
            return False
        return True

    def _setting(self, block: str, names: tuple[str, str], key_node: yaml.Node, node: yaml.Node) -> Iterator[Written]:
        section, name = names
        key = f"{section}.{name}" if section else name
        setting = BY_KEY.get(key) if "." not in name else None
        if setting is None:
            self._wrong(key_node, f"{name_shown(key)} is not a setting{_proposal(section, name)}")
        elif text := self._text(setting, key, node):
            yield Written(setting, key, f"{self._line(node)} (block {name_shown(block)})", text)

    def _text(self, setting: Setting, key: str, node: yaml.Node) -> str:
        """The written text; empty where nothing, or nothing that can be used, stands."""
        if isinstance(node, yaml.SequenceNode) and setting.listed:
            return ",".join(self._scalar(setting, key, item) for item in node.value)
        return self._scalar(setting, key, node)

    def _scalar(self, setting: Setting, key: str, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN:
            kind = "carries a tag" if isinstance(node, yaml.ScalarNode) else "is no single value"
            self._wrong(node, f"{key} {kind}. It should be {setting.right}, in quotes where needed")
            return ""
        if node.tag != _NULL:
            return str(node.value) if setting.secret else str(node.value).strip()
        if setting.secret and not node.value:
            empty = f"{self._line(node)}: {key} is empty: a value that begins with & or # needs quotes."
            self.notices.append(empty)
        return ""

    def _line(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def _wrong(self, node: yaml.Node, sentence: str) -> None:
        end = "" if sentence.endswith("?") else "."
        self.mistakes.append(f"{self._line(node)}: {sentence}{end}")


def _proposal(section: str, name: str) -> str:
    """The nearest name in the same group; else the nearest setting of any group."""
    if name in BY_KEY:
        group, _, last = name.partition(".")
        return f": write `{last}` indented, under `{group}:`"
    siblings = {key.rpartition(".")[2] for key in BY_KEY if key.rpartition(".")[0] == section}
    if near := nearest(name, siblings if section else _TOP):
        return f"; did you mean {f'{section}.{near}' if section else near}?"
    elsewhere = {key.rpartition(".")[2]: key for key in BY_KEY}
    near = nearest(name, elsewhere, closeness=0.8)
    return f"; did you mean {elsewhere[near]}?" if near else ""
