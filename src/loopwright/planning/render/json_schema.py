"""The published schema of plan documents, written out so that every property says what it means.

A test holds it against the values of `planning`; nothing here is derived from them.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from loopwright.planning.change import Action, DriftClass, Obstacle

Schema = dict[str, Any]

_ADDRESS = r"^[^/]+/[^/]+$"


def plan_schema(name: str, version: int) -> Schema:
    """Draft 2020-12. Every property is described and always present."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "loopwright plan",
        **_object(
            "What an apply would do, in causal order, and what it would take.",
            format={"const": name, "description": "What kind of document this is."},
            format_version={
                "const": version,
                "description": "Raised when a reader of the version before would be misled.",
            },
            summary=_summary(),
            header=_header(),
            changes=_many(_ref("change"), "Every address once, stages ascending, no-ops too."),
            drift=_many(_ref("drift"), "What the world does differently from the last apply."),
            quiet=_many(_ref("quiet"), "What is left alone on purpose."),
            cautions=_many(_ref("caution"), "What a person should know before saying yes."),
            totals=_totals(),
            envelope=_envelope(),
            selection=_selection(),
            variables=_map(_text("The value."), "Variables given on the command line."),
            world=_map(
                _text("`absent`, or the digest of what was observed."),
                "What each touched address looked like, to notice that it moved on.",
            ),
        ),
        "$defs": {
            "change": _change(),
            "field": _field(),
            "estimate": _estimate(),
            "range": _range(),
            "drift": _drift(),
            "quiet": _quiet(),
            "caution": _caution(),
            "value": {
                "description": "A value of a spec. `{$unknown: {by, note}}` comes to be during "
                "the apply; a key that begins with $ has one more $ in front."
            },
        },
    }


def _summary() -> Schema:
    return _object(
        "Counts, derived from the changes.",
        pending=_whole("Changes that are not no-ops."),
        unchanged=_whole("No-ops."),
        actions=_object(
            "How many changes of each action; the sum is the number of changes.",
            **{
                action.value: _whole(f"Changes whose action is {action.value}.")
                for action in Action
            },
        ),
        exit_code=_whole("What `plan --detailed-exitcode` ends with."),
        exit_words=_text("What that exit code means."),
    )


def _header() -> Schema:
    return _object(
        "What is compared with what.",
        environment=_text("Name of the environment."),
        lineage=_text("Identity of the state; never changes."),
        serial=_whole("Number of the state that was planned on."),
        manifests=_text("Digest of the manifest set."),
        sources=_many(_text("File, folder or -."), "Where the manifests were read from."),
        commit=_text("Commit of the manifests; empty: none."),
        refreshed_at=_text("When the world was read, RFC 3339; empty: it was not."),
        observed=_whole("How many objects were looked at."),
    )


def _change() -> Schema:
    return _object(
        "What happens to one address.",
        address=_address("The resource."),
        action=_choice(Action, "What is done."),
        stage=_whole("Stage in which it is done, from 1."),
        reason=_text("Why, in words."),
        fields=_many(_ref("field"), "Fields that differ."),
        after=_many(_address("A resource of this plan."), "What has to be done before it."),
        obstacle=_choice(Obstacle, "Why it cannot simply be done; empty: it can."),
        revision=_text("Label of the revision it makes or reuses, such as v8."),
        estimate=_optional(_ref("estimate"), "What a run would do; null: nobody says."),
        provider=_text("Name of the provider that realises it."),
        in_world={
            "type": "boolean",
            "description": "False: only our own record changes, no provider is called.",
        },
        fingerprint=_text("Identity of the run or spec; empty: known after an earlier stage."),
        desired=_map(_ref("value"), "The spec to be reached; of a delete, the last applied one."),
        external_id=_text("Id of the object at the provider; empty: none yet."),
        manual_steps=_many(_text("One step."), "What a person has to do by hand."),
        keeps_remote={
            "type": "boolean",
            "description": "Of a replace or forget: the old object stays.",
        },
        moved_from=_optional(_address("Its address before."), "Set where it was renamed."),
        attempt=_whole("Which attempt at this revision, from 1."),
        origin=_text("file:line that wants it, or where it last stood."),
        if_passed=_text("Of a gated change: what happens when the gate is passed."),
        if_refused=_text("Of a gated change: what happens when it is not."),
        evidence=_map(
            _ref("value"),
            "Of a promotion and of one that is refused: the digests it is about and the numbers "
            "that decided it.",
        ),
    )


def _field() -> Schema:
    return _object(
        "One field of a spec that differs.",
        path=_text("Dotted path in the spec."),
        before=_described(_ref("value"), "Value now; null: not set."),
        after=_described(_ref("value"), "Value then; null: not set."),
        forces_replace={"type": "boolean", "description": "Whether it cannot change in place."},
    )


def _estimate() -> Schema:
    return _object(
        "What a run would do, from metadata and history.",
        rows=_amount("Rows sampled, trained on or processed."),
        population=_amount("Rows it draws from."),
        tokens=_amount("Tokens."),
        steps=_amount("Training steps."),
        hours=_amount("Hours of running time."),
        cost=_amount("Money, in `currency`."),
        currency=_text("ISO 4217 code; empty: no price is known."),
        dropped=_map(_ref("range"), "Rows left out, by reason."),
        new_calls={
            "type": ["integer", "null"],
            "description": "Matching calls that arrived since the last revision.",
        },
        waiting=_text("Why it cannot start yet; empty: it can."),
        failed=_text("Why asking for numbers failed; empty: it did not."),
        notes=_many(_text("One note."), "What else is worth knowing."),
    )


def _range() -> Schema:
    return _object(
        "What is likely, and between what bounds. Equal bounds: exact.",
        likely=_number("The expected value."),
        low=_number("Lower bound."),
        high=_number("Upper bound."),
    )


def _drift() -> Schema:
    return _object(
        "One difference between the world and the last apply.",
        address=_address("The resource."),
        drift_class=_choice(DriftClass, "Why it differs."),
        path=_text("Dotted path in the spec; empty: the object as a whole."),
        before=_described(_ref("value"), "As last applied."),
        after=_described(_ref("value"), "As observed."),
        note=_text("What else is known."),
    )


def _quiet() -> Schema:
    return _object(
        "An address that is left alone.",
        address=_address("The resource."),
        reason=_text("Why."),
    )


def _caution() -> Schema:
    return _object(
        "Something to know before saying yes.",
        address=_text("What it is about; empty: the plan."),
        message=_text("What."),
        hint=_text("What can be done about it."),
    )


def _totals() -> Schema:
    return _object(
        "Sums of the estimates of everything that would run; null: nobody says.",
        cost=_amount("Money, in `currency`."),
        currency=_text("ISO 4217 code."),
        hours=_amount("Hours of running jobs."),
        rows=_amount("Rows."),
        tokens=_amount("Tokens."),
    )


def _envelope() -> Schema:
    return _object(
        "What an approval covers; null: no bound.",
        cost=_limit("number", "Most money, in `currency`."),
        currency=_text("ISO 4217 code."),
        rows=_limit("integer", "Most rows."),
        hours=_limit("number", "Most hours of running jobs."),
        deletes=_whole("Objects that may be deleted."),
    )


def _selection() -> Schema:
    flags = {
        "destroy": "Everything is to go.",
        "delete_data": "Lakes, dataset versions and models too.",
        "refresh": "Whether the world was read.",
        "prune": "Whether what is absent from the manifests is deleted.",
    }
    return _object(
        "What the plan was asked to be about.",
        targets=_many(_text("An address."), "Only these, and what they need."),
        excludes=_many(_text("An address."), "Not these, nor what needs them."),
        replaces=_many(_text("An address."), "Run or made again in any case."),
        **{name: {"type": "boolean", "description": words} for name, words in flags.items()},
    )


def _object(description: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _whole(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def _number(description: str) -> Schema:
    return {"type": "number", "description": description}


def _limit(kind: str, description: str) -> Schema:
    return {"type": [kind, "null"], "minimum": 0, "description": description}


def _address(description: str) -> Schema:
    return {"type": "string", "pattern": _ADDRESS, "description": f"{description} Kind/name."}


def _choice(values: type[Enum], description: str) -> Schema:
    return {"enum": [value.value for value in values], "description": description}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _optional(schema: Schema, description: str) -> Schema:
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def _amount(description: str) -> Schema:
    return _optional(_ref("range"), description)


def _many(items: Schema, description: str) -> Schema:
    return {"type": "array", "items": items, "description": description}


def _map(values: Schema, description: str) -> Schema:
    return {"type": "object", "additionalProperties": values, "description": description}
