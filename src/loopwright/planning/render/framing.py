"""The words around the changes: what was compared, how it is counted, what to do next."""

from __future__ import annotations

from loopwright.errors import ExitCode
from loopwright.planning.change import Obstacle
from loopwright.planning.plan import Header, Plan
from loopwright.planning.render.untouched import left_alone
from loopwright.planning.render.wording import REFUSALS, exit_words, moment_words, plural


def title(plan: Plan) -> str:
    name = "Destroy plan" if plan.selection.destroy else "Plan"
    return f"{name} for {plan.header.environment}" if plan.header.environment else name


def header_words(header: Header) -> list[str]:
    """What is compared with what, in short phrases."""
    sources = ", ".join(header.sources)
    at = f" at {header.commit}" if header.commit else ""
    read = f"read {plural(header.observed, 'object')}"
    if header.refreshed_at:
        read += f" at {moment_words(header.refreshed_at)}"
    manifests = [f"manifests {sources}{at}"] if sources or at else []
    return [*manifests, f"state {header.serial}", read]


def selection_words(plan: Plan) -> list[str]:
    """What the plan was asked to leave out, add or assume; empty when nothing special."""
    chosen = plan.selection
    named = (
        ("only", chosen.targets),
        ("without", chosen.excludes),
        ("replacing", chosen.replaces),
        ("given", tuple(f"{name}={value}" for name, value in plan.variables.items())),
    )
    flags = (
        (not chosen.refresh, "the world was not read"),
        (not chosen.prune, "nothing is pruned"),
        (chosen.delete_data, "data is deleted too"),
    )
    return [f"{word} {', '.join(texts)}" for word, texts in named if texts] + [
        words for is_set, words in flags if is_set
    ]


def nothing_words(plan: Plan, *, hint: str = "") -> str:
    """The one sentence of an empty plan; `hint` says how to learn why something is left alone."""
    state = f"(state {plan.header.serial})"
    if plan.selection.destroy:
        return f"No changes. Nothing is left to destroy {state}."
    if not plan.changes:
        return f"No changes. Neither the manifests nor the state hold anything {state}."
    alone = len({address for group in left_alone(plan) for address in group.addresses})
    matching = plan.unchanged - alone
    verb = "matches" if matching == 1 else "match"
    held = f"; {alone:,} left alone{hint}" if alone else ""
    return f"No changes. {plural(matching, 'resource')} {verb} the manifests {state}{held}."


def exit_line(plan: Plan) -> str:
    """What `plan` ends with, and what that means."""
    code, detailed = plan.exit_code(), plan.exit_code(detailed=True)
    if code is not ExitCode.DONE or detailed is code:
        return f"{code:d} ({exit_words(code)})"
    return f"{code:d}, or {detailed:d} with --detailed-exitcode ({exit_words(detailed)})"


def next_words(plan: Plan, command: str = "") -> str:
    """The next thing to do; `command` carries the plan out."""
    if any(change.obstacle in REFUSALS for change in plan.changes):
        return "change what is refused, then plan again"
    steps = []
    if any(change.action.writes and change.obstacle is Obstacle.NONE for change in plan.changes):
        steps.append(command or f"loopwright {'destroy' if plan.selection.destroy else 'apply'}")
    undecided = [change for change in plan.changes if change.obstacle is Obstacle.DECISION]
    steps += [
        f"loopwright approve {change.address} (or: loopwright reject {change.address})"
        for change in undecided
    ]
    return "; ".join(steps) or "nothing to start; `loopwright watch` goes on when it can"
