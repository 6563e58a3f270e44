"""Hyperparameters of supervised fine-tuning: names, ranges, defaults, and what each is for.

One table says it all; checks, messages and documentation are made from it. Imports no torch.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from loopwright.errors import TuningError

Method = Literal["full", "lora"]
ALL_LINEAR = "all-linear"
"""LoRA on every linear layer but the one that gives the logits."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One hyperparameter: how it is written, what it may be, what it is when nothing is said."""

    name: str
    """As in manifests."""
    kind: Literal["integer", "number", "choice", "boolean", "names"]
    default: Any
    """None: chosen from the run, as `meaning` says. A mapping: by method."""
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    above_low: bool = False
    """Whether `low` itself is out of range."""
    choices: tuple[str, ...] = ()
    only_lora: bool = False

    def default_for(self, method: str) -> Any:
        """The default under a method of tuning."""
        return self.default[method] if isinstance(self.default, Mapping) else self.default

    @property
    def allowed(self) -> str:
        """What may be written, in words."""
        match self.kind:
            case "choice":
                return " | ".join(self.choices)
            case "boolean":
                return "true | false"
            case "names":
                return f"{ALL_LINEAR}, or names of layers with commas between"
        low = f"above {self.low:g}" if self.above_low else f"{self.low:g}"
        noun = "an integer" if self.kind == "integer" else "a number"
        return f"{noun}, {low} to {self.high:.10g}"


KNOBS: tuple[Knob, ...] = (
    Knob(
        "epochs",
        "number",
        3.0,
        "Passes over the training rows.",
        low=0,
        high=1_000,
        above_low=True,
    ),
    Knob(
        "maxSteps",
        "integer",
        None,
        "Optimizer steps in all, instead of `epochs`.",
        low=1,
        high=10_000_000,
    ),
    Knob("batchSize", "integer", 8, "Rows a forward pass, of each process.", low=1, high=4_096),
    Knob(
        "gradientAccumulation",
        "integer",
        1,
        "Forward passes an optimizer step: the effective batch is this times `batchSize`.",
        low=1,
        high=4_096,
    ),
    Knob(
        "learningRate",
        "number",
        {"full": 2e-5, "lora": 2e-4},
        "Peak learning rate. The defaults suit models of a billion parameters and more; a model "
        "of a few million wants 1e-3 or so.",
        low=0,
        high=1,
        above_low=True,
    ),
    Knob(
        "schedule",
        "choice",
        "linear",
        "How the learning rate falls after warm-up: to zero in a line or a cosine, or not at all.",
        choices=("linear", "cosine", "constant"),
    ),
    Knob("warmupRatio", "number", 0.03, "Share of the steps that warm up.", low=0, high=0.9),
    Knob(
        "warmupSteps",
        "integer",
        None,
        "Steps that warm up, instead of `warmupRatio`.",
        low=0,
        high=10_000_000,
    ),
    Knob("weightDecay", "number", 0.0, "Weight decay of AdamW.", low=0, high=1),
    Knob(
        "maxGradNorm",
        "number",
        1.0,
        "Gradients are clipped to this norm; 0 leaves them as they are.",
        low=0,
        high=1_000,
    ),
    Knob(
        "optimizer",
        "choice",
        "adamw",
        "AdamW, or Adafactor, which needs less memory.",
        choices=("adamw", "adafactor"),
    ),
    Knob(
        "maxLength",
        "integer",
        2_048,
        "Longest row in tokens, never above the context of the base model.",
        low=8,
        high=1_048_576,
    ),
    Knob(
        "longRows",
        "choice",
        "drop",
        "A row above `maxLength` is left out and counted, or ends the run. None is ever cut.",
        choices=("drop", "error"),
    ),
    Knob(
        "packing",
        "choice",
        "lengthBuckets",
        "Rows of like length share a batch (`lengthBuckets`), several rows share a sequence "
        "(`packed`; refused where the model would let them see each other), or neither.",
        choices=("none", "lengthBuckets", "packed"),
    ),
    Knob(
        "precision",
        "choice",
        "auto",
        "bf16 mixed precision where the GPU has it, else fp32.",
        choices=("auto", "fp32", "bf16"),
    ),
    Knob(
        "gradientCheckpointing",
        "boolean",
        False,
        "Compute activations twice to save memory; about a fifth slower.",
    ),
    Knob(
        "evalSteps",
        "integer",
        None,
        "Steps between two looks at the validation rows; default: after every epoch.",
        low=1,
        high=10_000_000,
    ),
    Knob(
        "earlyStoppingPatience",
        "integer",
        None,
        "Stop after so many looks without a better validation loss, and keep the best weights.",
        low=1,
        high=1_000,
    ),
    Knob(
        "checkpointSteps",
        "integer",
        None,
        "Steps between two checkpoints; default: a tenth of the run, 50 to 200.",
        low=1,
        high=10_000_000,
    ),
    Knob("checkpointsKept", "integer", 2, "Checkpoints kept on disk.", low=1, high=100),
    Knob("loraRank", "integer", 16, "Rank of the adapter.", low=1, high=1_024, only_lora=True),
    Knob(
        "loraAlpha",
        "number",
        None,
        "Scale of the adapter; default: twice `loraRank`.",
        low=0,
        high=65_536,
        above_low=True,
        only_lora=True,
    ),
    Knob("loraDropout", "number", 0.0, "Dropout in the adapter.", low=0, high=0.9, only_lora=True),
    Knob(
        "loraTargets",
        "names",
        ALL_LINEAR,
        "Layers that get an adapter.",
        only_lora=True,
    ),
)
BY_NAME: Mapping[str, Knob] = {knob.name: knob for knob in KNOBS}
_ONLY_COST = frozenset({"checkpointSteps", "checkpointsKept"})
_INSTEAD = {"maxSteps": "epochs", "warmupSteps": "warmupRatio"}


class Problem(NamedTuple):
    """What is wrong with one hyperparameter."""

    name: str
    message: str


class HyperparameterError(TuningError):
    """Hyperparameters that cannot be used; `problems` has every one, in the order written."""

    def __init__(self, problems: list[Problem]) -> None:
        listed = "; ".join(f"{name}: {message}" for name, message in problems)
        super().__init__(
            f"Cannot use these hyperparameters: {listed}",
            hint="docs/training.md lists names, ranges and defaults",
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Checked values, defaults filled in; field names are the knobs' in snake case."""

    method: Method
    epochs: float
    max_steps: int | None
    batch_size: int
    gradient_accumulation: int
    learning_rate: float
    schedule: str
    warmup_ratio: float
    warmup_steps: int | None
    weight_decay: float
    max_grad_norm: float
    optimizer: str
    max_length: int
    long_rows: str
    packing: str
    precision: str
    gradient_checkpointing: bool
    eval_steps: int | None
    early_stopping_patience: int | None
    checkpoint_steps: int | None
    checkpoints_kept: int
    lora_rank: int
    lora_alpha: float
    lora_dropout: float
    lora_targets: tuple[str, ...]

    def stated(self) -> dict[str, Any]:
        """What is in force, by the names of manifests; `parse` makes the same values of it."""
        values = {
            knob.name: getattr(self, _field(knob.name))
            for knob in KNOBS
            if self.method == "lora" or not knob.only_lora
        }
        if "loraTargets" in values:
            values["loraTargets"] = ",".join(self.lora_targets)
        replaced = {other for name, other in _INSTEAD.items() if values[name] is not None}
        return {
            name: value
            for name, value in values.items()
            if value is not None and name not in replaced
        }

    def warmup(self, steps: int) -> int:
        """Steps that warm up in a run of `steps`."""
        if self.warmup_steps is not None:
            return min(self.warmup_steps, steps)
        return math.ceil(self.warmup_ratio * steps)

    def checkpoint_every(self, steps: int) -> int:
        """Steps between two checkpoints in a run of `steps`."""
        return self.checkpoint_steps or min(200, max(50, math.ceil(steps / 10)))


def parse(
    written: Mapping[str, Any], method: Method, *, validates: bool | None = None
) -> Hyperparameters:
    """Check what a manifest says and fill in defaults.

    `validates` says whether there are validation rows; None when that is not known yet.
    Raises HyperparameterError with all problems.
    """
    problems = [Problem(*found) for found in _problems(written, method, validates)]
    if problems:
        raise HyperparameterError(problems)
    values = {
        knob.name: _value(knob, written[knob.name])
        if knob.name in written
        else knob.default_for(method)
        for knob in KNOBS
    }
    if values["loraAlpha"] is None:
        values["loraAlpha"] = 2.0 * values["loraRank"]
    values["loraTargets"] = _names(values["loraTargets"])
    return Hyperparameters(method, **{_field(name): value for name, value in values.items()})


def normal(written: Mapping[str, Any], method: Method) -> dict[str, Any]:
    """What decides the weights of what a manifest says, however it says it: numbers as numbers,
    whole ones as integers; without defaults, and without what only costs disk and time.

    What cannot be used stays as it is: `parse` says what is wrong with it.
    """
    found = {}
    for name, value in written.items():
        knob = BY_NAME.get(name)
        known = _value(knob, value) if knob else None
        if knob is None or known is None:
            found[name] = value
        elif name not in _ONLY_COST and known != _default(knob, written, method):
            found[name] = _plain(known)
    return found


def _default(knob: Knob, written: Mapping[str, Any], method: Method) -> Any:
    if knob.name == "loraAlpha":
        rank = _number(written.get("loraRank", BY_NAME["loraRank"].default))
        return None if rank is None else 2.0 * rank
    default = knob.default_for(method)
    return _names(default) if knob.kind == "names" else default


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return ",".join(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _problems(
    written: Mapping[str, Any], method: str, validates: bool | None
) -> Iterator[tuple[str, str]]:
    for name, value in written.items():
        knob = BY_NAME.get(name)
        if knob is None:
            yield name, _unknown(name)
        elif knob.only_lora and method != "lora":
            yield name, "is for method: lora; this job tunes all weights"
        elif _value(knob, value) is None:
            yield name, f"found {value!r}, allowed is {knob.allowed}"
    for name, other in _INSTEAD.items():
        if name in written and other in written:
            yield name, f"stands instead of {other}; write one of them"
    if written.get("earlyStoppingPatience") is not None and validates is False:
        yield "earlyStoppingPatience", "needs validation rows; say spec.validation"


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), [each.lower() for each in BY_NAME], n=1)
    nearest = next((each for each in BY_NAME if near and each.lower() == near[0]), None)
    if nearest:
        return f"there is no such hyperparameter; did you mean {nearest}?"
    return f"there is no such hyperparameter; there are {', '.join(BY_NAME)}"


def _value(knob: Knob, written: Any) -> Any:
    """The value in its type, or None when it is not one of the knob's."""
    match knob.kind:
        case "boolean":
            return written if isinstance(written, bool) else None
        case "choice":
            return written if written in knob.choices else None
        case "names":
            return _names(written) or None
    number = _number(written)
    if number is None or not knob.low <= number <= knob.high:
        return None
    if knob.above_low and number == knob.low:
        return None
    if knob.kind == "integer":
        return int(number) if number == int(number) else None
    return number


def _number(written: Any) -> float | None:
    """A finite number. YAML 1.1 reads `2e-4` as text, so text that is a number is one."""
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    try:
        number = float(written)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _names(written: Any) -> tuple[str, ...]:
    if isinstance(written, str):
        written = written.split(",")
    if not isinstance(written, list | tuple) or not all(isinstance(one, str) for one in written):
        return ()
    return tuple(name for one in written if (name := one.strip()))


def _field(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
