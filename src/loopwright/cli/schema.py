"""`loopwright schema`."""

from __future__ import annotations

from pathlib import Path

import click

from loopwright.cli.output import say


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("schemas"),
    show_default=True,
    help="Folder to write to.",
)
@click.option("--print", "name", metavar="NAME", help="Print one schema instead, e.g. dataset.")
def command(out: Path, name: str | None) -> None:
    """Write the JSON Schemas of the manifests, for editors and other tools."""
    from loopwright.errors import LoopwrightError
    from loopwright.schemas import schema_files, write_schemas

    if name is None:
        written = write_schemas(out)
        say(f"Wrote {len(written)} schemas to {out}.")
        return
    files = schema_files()
    found = files.get(name if name.endswith(".json") else f"{name}.json")
    if found is None:
        raise LoopwrightError(f"there is no schema {name!r}", hint=f"there are {', '.join(files)}")
    say(found.decode().rstrip("\n"))
