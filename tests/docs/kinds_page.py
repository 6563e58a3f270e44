"""Makes docs/kinds.md of what `loopwright explain` says, so that the page cannot grow stale."""

from __future__ import annotations

from collections.abc import Iterator

from loopwright.manifests.schema import fields_of
from loopwright.manifests.secrets import SecretRef
from loopwright.resources.base import SeriesSpec
from loopwright.resources.explain import Explanation, every_field, explain
from loopwright.resources.registry import kinds, resource_class

_INTRO = """\
# Kinds

<!-- Generated from the models by `pytest tests/docs --update-golden`; edit those. -->

Every manifest has `apiVersion: loopwright.dev/v1alpha1`, `kind`, `metadata` (a `name`, unique in
its kind; `labels` and `annotations`) and `spec`. This page lists the fields of each `spec`;
`loopwright explain Dataset.spec.sampling` says the same in a terminal, and `schemas/` holds it as
JSON Schema for editors.

References are written `Kind/name`, or the bare name where only one kind fits, and with
`@revision` or `@alias` where the table says so. A secret is always a reference: `{env: NAME}` or
`{file: path}`.
"""
_COMMON = """\
## Fields that many kinds share

`provider` and `lifecycle` belong to every kind that a provider realises, `trigger` and `attempts`
to every run series, `budget` to the runs that cost money.
"""
_BORROWED = frozenset(fields_of(SeriesSpec)) | {"budget"}


def page() -> str:
    """The whole page as Markdown."""
    parts = [_INTRO, *(f"- [{kind}](#{kind.lower()})" for kind in kinds()), "", _COMMON]
    shared = [told for told in every_field("FineTuneJob") if _top(told) in _BORROWED]
    parts += [*_table(shared), ""]
    for kind in kinds():
        parts += _section(kind)
    return "\n".join(parts)


def _section(kind: str) -> Iterator[str]:
    told = explain(kind)
    yield f"## {kind}\n"
    yield f"{told.description}\n"
    yield f"*{told.type[0].upper()}{told.type[1:]}*{_kept(told)}\n"
    yield f"```yaml\n{told.example}```\n"
    if rules := "; ".join(explain(f"{kind}.spec").notes):
        yield f"{rules[0].upper()}{rules[1:]}.\n"
    own = [field for field in every_field(kind) if _top(field) not in _BORROWED]
    yield from _table(own)
    if borrowed := [name for name in fields_of(_spec(kind)) if name in _BORROWED]:
        names = ", ".join(f"`{name}`" for name in borrowed)
        yield f"\nAlso: {names} ([shared fields](#fields-that-many-kinds-share)).\n"
    else:
        yield ""


def _table(fields: list[Explanation]) -> Iterator[str]:
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    for told in fields:
        if _is_inside_a_secret(told):
            continue
        default = "required" if told.required else f"`{told.default}`" if told.default else ""
        notes = f" *({'; '.join(told.notes)})*" if told.notes else ""
        meaning = _cell(told.description) + notes
        yield f"| `{_below_spec(told)}` | {_cell(told.type)} | {default} | {meaning} |"


def _kept(told: Explanation) -> str:
    return f"; {'; '.join(told.notes)}." if told.notes else "."


def _below_spec(told: Explanation) -> str:
    return told.path.partition(".spec.")[2]


def _top(told: Explanation) -> str:
    return _below_spec(told).partition(".")[0]


def _is_inside_a_secret(told: Explanation) -> bool:
    parent = told.path.rpartition(".")[0]
    return (
        parent.count(".") > 1
        and _last_name(told) in fields_of(SecretRef)
        and ("secret reference" in explain(parent).type)
    )


def _last_name(told: Explanation) -> str:
    return told.path.rpartition(".")[2]


def _spec(kind: str) -> type:
    found: type = resource_class(kind).model_fields["spec"].annotation  # type: ignore[assignment]
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
