"""`loopwright graph`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, manifest_paths, project_options
from loopwright.cli.output import say

if TYPE_CHECKING:
    from loopwright.graph import Graph


@click.command()
@manifest_paths
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@project_options
def command(paths: tuple[str, ...], mermaid: bool, options: ProjectOptions) -> None:
    """Draw what needs and what reads what, in the order of an apply."""
    declared = options.declare(options.workspace(), paths)
    lines = _mermaid(declared.graph) if mermaid else _text(declared.graph)
    say("\n".join(lines))


def _text(graph: Graph) -> Iterator[str]:
    from loopwright.resources.markers import Edge

    for address in graph.order:
        yield str(address)
        seen = set()
        for link in graph.links(address):
            arrow = "needs" if link.edge is Edge.NEEDS else "reads"
            if (arrow, link.target) not in seen:
                seen.add((arrow, link.target))
                yield f"  {arrow} {link.target}  ({link.path})"


def _mermaid(graph: Graph) -> Iterator[str]:
    from loopwright.resources.markers import Edge

    yield "flowchart LR"
    names = {address: f"n{index}" for index, address in enumerate(graph.order)}
    for address, name in names.items():
        yield f'    {name}["{address}"]'
    for address in graph.order:
        drawn = {
            (link.target, "-->" if link.edge is Edge.NEEDS else "-.->")
            for link in graph.links(address)
        }
        for target, arrow in sorted(drawn):
            yield f"    {names[target]} {arrow} {names[address]}"
