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
    """Where a value begins and, if it is a scalar, ends; where its key is; the nodes inside it."""

    offset: int
    end: int
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


def end_of(event: _Event) -> int:
    """The offset behind an event's last character."""
    offset: int = event.end_mark.index
    return offset


def locate(text: str) -> Node:
    """The tree of offsets of a text that holds one well-formed document."""
    read = event_stream(text)
    read(), read()
    return _node(read, read(), {})


def find(root: Node, path: Sequence[str | int]) -> tuple[Node, bool]:
    """The node at `path`, or its nearest parent that exists, and whether it is the node itself."""
    node = root
    for part in path:
        child = node.children.get(part)
        if child is None:
            return node, False
        node = child
    return node, True


def _node(read: Callable[[], _Event], event: _Event, anchors: dict[str, Node]) -> Node:
    offset = start_of(event)
    if isinstance(event, yaml.AliasEvent):
        target = anchors.get(event.anchor or "")
        return Node(offset, end_of(event), children=target.children if target else {})
    node = Node(offset, end_of(event))
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
            anchors[key.anchor] = Node(value.key, end_of(key))
        node.children.setdefault(key.value, value)
