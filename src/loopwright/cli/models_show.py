"""`loopwright models show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.models_words import AS_JSON, number, summary, when
from loopwright.cli.output import say, say_json
from loopwright.cli.recorded_data import size_words
from loopwright.cli.recorded_models import recorded_models

if TYPE_CHECKING:
    from loopwright.models.digests import FileFacts
    from loopwright.models.version import ModelVersion

_CURVES = ("loss.svg", "loss.png")


@click.command()
@click.argument("model", metavar="NAME[@REVISION]|builtin:NAME")
@AS_JSON
@project_options
def command(model: str, as_json: bool, options: ProjectOptions) -> None:
    """Tell what a revision is, how it was made, and which files it has.

    Of a base model that is shipped, such as builtin:tiny-chat, what it is.
    """
    from loopwright.models.bases import BUILTIN

    if model.startswith(BUILTIN):
        _show_shipped(model, as_json=as_json)
        return
    with recorded_models(options) as data:
        keeper, version = data.version(model)
        aliases, served_by = keeper.models.aliases_of(version), data.served_by(version)
    if as_json:
        say_json(summary(version, aliases=aliases, served_by=served_by))
    else:
        say("\n".join(_told(version, aliases, served_by)))


def _show_shipped(reference: str, *, as_json: bool) -> None:
    from loopwright.models.bases import shipped
    from loopwright.models.contents import deciding_files
    from loopwright.models.digests import Digests, content_digest
    from loopwright.models.weights import parameter_count

    folder = shipped(reference)
    files = Digests().files(folder, deciding_files(folder))
    facts = {
        "digest": content_digest(files),
        "parameters": parameter_count(folder),
        "card": str(folder / "README.md"),
    }
    if as_json:
        told = {name: asdict(found) for name, found in files.items()}
        say_json({"name": reference, "kind": "full", **facts, "files": told})
        return
    say(f"{reference}  full model, shipped with loopwright")
    say("\n".join(f"  {name:<12} {number(value)}" for name, value in facts.items()))
    say("\n".join(_files(files)))


def _told(version: ModelVersion, aliases: Sequence[str], served_by: Sequence[str]) -> Iterator[str]:
    what = "LoRA adapter" if version.kind == "adapter" else "full model"
    yield f"{version.label}  {what}, made {when(version)} UTC"
    base = version.base
    facts = {
        "digest": version.digest,
        "aliases": ", ".join(aliases),
        "base": f"{base.reference}{f' at {base.revision}' if base.revision else ''}"
        if base
        else "",
        "base digest": base.digest if base else "",
        "parameters": f"{version.parameters:,}",
        "size": size_words(version.size),
        "served by": ", ".join(served_by),
        "made by": version.owner.partition("/")[2],
        "card": str(version.folder / "README.md"),
        "loss curve": next(
            (str(version.folder / name) for name in _CURVES if name in version.files), ""
        ),
    }
    yield from (f"  {name:<12} {value}" for name, value in facts.items() if value)
    yield from _section("lineage", version.lineage)
    yield from _section("metrics", version.metrics)
    yield from _files(version.files)


def _files(files: Mapping[str, FileFacts]) -> Iterator[str]:
    yield "  files"
    width = max(len(name) for name in files)
    for name, found in files.items():
        yield f"    {name:<{width}}  {size_words(found.bytes):>8}  {found.sha256}"


def _section(title: str, values: object) -> Iterator[str]:
    if not isinstance(values, dict) or not values:
        return
    yield f"  {title}"
    for name, value in values.items():
        if isinstance(value, dict):
            yield f"    {name}"
            yield from (f"      {inner:<24} {number(one)}" for inner, one in value.items())
        else:
            yield f"    {name:<26} {number(value)}"
