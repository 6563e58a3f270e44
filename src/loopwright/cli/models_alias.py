"""`loopwright models alias`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say
from loopwright.cli.recorded_models import recorded_models
from loopwright.errors import LoopwrightError


@click.command()
@click.argument("model", metavar="NAME[@REVISION]")
@click.argument("alias")
@click.option("--remove", is_flag=True, help="Take the alias away.")
@project_options
def command(model: str, alias: str, remove: bool, options: ProjectOptions) -> None:
    """Give a revision a name, such as champion; one that another revision has moves over.

    Manifests refer to it as Model/NAME@ALIAS; the next apply takes the change up.
    """
    with recorded_models(options) as data:
        keeper, version = data.version(model)
        registry = keeper.models
        before = registry.aliases(version.name).get(alias)
        if remove:
            if "@" in model and before not in (None, version.version):
                raise LoopwrightError(
                    f"{alias} is not {version.label} but {version.name}@{before}",
                    hint=f"loopwright models alias {version.name} {alias} --remove",
                )
            registry.remove_alias(version.name, alias)
            say(f"{version.name} has no alias {alias} any more.")
            return
        registry.alias(version.name, version.version, alias)
    moved = f" (it was {version.name}@{before})" if before not in (None, version.version) else ""
    say(f"{version.name}@{alias} is {version.label}{moved}.")
    note("Endpoints and jobs that refer to it take it up at the next apply.")
