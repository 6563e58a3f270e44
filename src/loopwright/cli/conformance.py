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
    "--unreachable",
    multiple=True,
    metavar="NAME=VALUE",
    help="Settings under which every call fails; proves that failures are told.",
)
@click.option(
    "--samples",
    type=click.Path(exists=True, path_type=Path),
    help="Manifests to try instead of the built-in ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(
    provider: str,
    settings: tuple[str, ...],
    unreachable: tuple[str, ...],
    samples: Path | None,
    as_json: bool,
) -> int:
    """Run the conformance suite over an installed provider type.

    It creates, updates and deletes real objects: give it an account of its own.
    """
    from loopwright.providers.conformance import Verdict, run_conformance
    from loopwright.providers.conformance_samples import default_samples, read_samples
    from loopwright.providers.registry import factory

    found = list(
        run_conformance(
            factory(provider),
            provider,
            connection=_connection(settings),
            unreachable=_connection(unreachable) if unreachable else None,
            samples=read_samples(samples) if samples else default_samples(),
        )
    )
    counts = {verdict: sum(f.verdict is verdict for f in found) for verdict in Verdict}
    if as_json:
        say_json(
            [
                {
                    "kind": finding.kind,
                    "check": finding.check,
                    "verdict": finding.verdict.value,
                    "rule": finding.rule,
                    "message": finding.message,
                }
                for finding in found
            ]
        )
    else:
        for finding in found:
            tail = f": {finding.message}" if finding.verdict is not Verdict.PASSED else ""
            say(f"{finding.verdict.value:<8}{finding.kind}  {finding.check}{tail}")
        say(", ".join(f"{count} {verdict.value}" for verdict, count in counts.items()))
    return ExitCode.ERROR if counts[Verdict.FAILED] else ExitCode.DONE


def _connection(settings: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise LoopwrightError(f"{text!r} is not NAME=VALUE", hint="see --connection")
        found[name] = yaml.safe_load(value)
    return found
