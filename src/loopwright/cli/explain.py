"""`loopwright explain`."""

from __future__ import annotations

import click

from loopwright.cli.output import say, say_json


@click.command()
@click.argument("path", metavar="KIND[.field...]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(path: str | None, as_json: bool) -> None:
    """Document a kind or one of its fields, e.g. Dataset.spec.sampling.ratio."""
    from dataclasses import asdict

    from loopwright.resources.explain import explain
    from loopwright.resources.registry import kinds, resource_class

    if path is None:
        for kind in kinds():
            doc = (resource_class(kind).__doc__ or "").strip().splitlines()[0]
            say(f"{kind:<16}{doc}")
        return
    found = explain(path)
    if as_json:
        say_json(asdict(found))
        return
    say(found.text())
