"""`loopwright models export`."""

from __future__ import annotations

from pathlib import Path

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say
from loopwright.cli.recorded_models import recorded_models
from loopwright.errors import LoopwrightError

_FORMS = {
    "full": "a full model, for AutoModelForCausalLM.from_pretrained",
    "merged": "base and adapter merged, for AutoModelForCausalLM.from_pretrained",
    "adapter": "a PEFT adapter, for PeftModel.from_pretrained",
}


@click.command()
@click.argument("model", metavar="NAME[@REVISION]|builtin:NAME")
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    help="A new or empty folder.",
)
@click.option(
    "--merged/--adapter",
    default=None,
    help="Of an adapter: merged into its base (default), or the adapter alone.",
)
@project_options
def command(model: str, target: Path, merged: bool | None, options: ProjectOptions) -> None:
    """Write a revision as a standard Hugging Face folder: whole, or not at all.

    A base model that is shipped, such as builtin:tiny-chat, is copied.
    """
    from loopwright.models.bases import BUILTIN
    from loopwright.models.exporting import export

    if model.startswith(BUILTIN):
        _copy_base(model, target)
        return
    with recorded_models(options) as data:
        keeper, version = data.version(model)
        if version.kind == "full" and merged is not None:
            raise LoopwrightError(
                f"{version.label} is a full model, with nothing to merge",
                hint="leave --merged and --adapter out",
            )
        base = keeper.base_of(version) if version.kind == "adapter" else None
        form = export(
            version, target, registry=keeper.models, base=base, merged=merged is not False
        )
    say(f"{version.label} is in {target}: {_FORMS[form]}.")
    if form == "adapter" and base is not None and not base.revision:
        note(f"It is put on {base.reference}, which it names by its folder {base.folder}.")


def _copy_base(reference: str, target: Path) -> None:
    from loopwright.models.bases import shipped
    from loopwright.models.exporting import export_base

    export_base(shipped(reference), target)
    say(f"{reference} is in {target}: {_FORMS['full']}.")
