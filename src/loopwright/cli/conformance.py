"""`loopwright conformance`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopwright.cli.output import say, say_json
from loopwright.errors import ExitCode, LoopwrightError


@click.command()
@click.argument("provider")
@click.option(
    "--connection",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of Provider.spec.connection; YAML values.",
)
@click.option(
    "--samples",
    type=click.Path(exists=True, path_type=Path),
    help="Manifests to try instead of the built-in ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(provider: str, settings: tuple[str, ...], samples: Path | None, as_json: bool) -> int:
    """Run the conformance suite over an installed provider type.

    It creates, updates and deletes real objects: give it an account of its own.
    """
    from loopwright.providers.conformance import run_conformance
    from loopwright.providers.conformance_samples import default_samples, read_samples
    from loopwright.providers.registry import factory

    made_by = factory(provider)
    tried = read_samples(samples) if samples else default_samples()
    found = list(
        run_conformance(made_by, provider, connection=_connection(settings), samples=tried)
    )
    failed = [finding for finding in found if not finding.passed]
    if as_json:
        say_json(
            [
                {"kind": f.kind, "check": f.check, "passed": f.passed, "message": f.message}
                for f in found
            ]
        )
    else:
        for finding in found:
            word = "ok  " if finding.passed else "FAIL"
            tail = f": {finding.message}" if finding.message and not finding.passed else ""
            say(f"{word} {finding.kind}  {finding.check}{tail}")
        say(f"{len(found) - len(failed)} passed, {len(failed)} failed")
    return ExitCode.ERROR if failed else ExitCode.DONE


def _connection(settings: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise LoopwrightError(f"{text!r} is not NAME=VALUE", hint="see --connection")
        found[name] = yaml.safe_load(value)
    return found
