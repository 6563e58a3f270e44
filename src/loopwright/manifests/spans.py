"""Where each value of one YAML document stands: composed only when an error or `why` asks for it.

Keeping the places of every node of thousands of documents costs more than parsing them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

_Event = Any


@dataclass(slots=True)
class Node:
    """The offset of a value, of its key when it has one, and the nodes inside it."""

    offset: int
    key: int | None = None
    children: dict[str | int, Node] = field(default_factory=dict)


def event_stream(text: str) -> Callable[[], _Event]:
    """Events of a YAML text one by one, by libyaml where PyYAML was built with it.

    The callable raises yaml.YAMLError where the text is not YAML.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read: Callable[[], _Event] = loader(text).get_event
    return read


def start_of(event: _Event) -> int:
    """The offset of an event's first character."""
    offset: int = event.start_mark.index
    return offset


def locate(text: str) -> Node:
    """The tree of offsets of a text that holds one well-formed document."""
    read = event_stream(text)
    read(), read()
    return _node(read, read(), {})


def find(root: Node, path: Sequence[str | int], *, key: bool = False) -> int:
    """Offset of the value (or key) at `path`, or of the nearest parent that exists."""
    node = root
    for position, part in enumerate(path):
        child = node.children.get(part)
        if child is None:
            return node.offset if position == 0 or node.key is None else node.key
        node = child
    return node.key if key and node.key is not None else node.offset


def _node(read: Callable[[], _Event], event: _Event, anchors: dict[str, Node]) -> Node:
    offset = start_of(event)
    if isinstance(event, yaml.AliasEvent):
        target = anchors.get(event.anchor or "", Node(offset))
        return Node(offset, children=target.children)
    node = Node(offset)
    if isinstance(event, yaml.MappingStartEvent):
        _fill_mapping(read, node, anchors)
    elif isinstance(event, yaml.SequenceStartEvent):
        while not isinstance(item := read(), yaml.SequenceEndEvent):
            node.children[len(node.children)] = _node(read, item, anchors)
    if event.anchor:
        anchors[event.anchor] = node
    return node


def _fill_mapping(read: Callable[[], _Event], node: Node, anchors: dict[str, Node]) -> None:
    while type(key := read()) is not yaml.MappingEndEvent:
        if type(key) is not yaml.ScalarEvent:
            _node(read, key, anchors)
            _node(read, read(), anchors)
            continue
        value = _node(read, read(), anchors)
        value.key = start_of(key)
        if key.anchor:
            anchors[key.anchor] = Node(value.key)
        node.children.setdefault(key.value, value)
