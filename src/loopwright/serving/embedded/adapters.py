"""LoRA and other PEFT adapters on one base, switched between the steps of different models."""

from __future__ import annotations

import json
import warnings
from itertools import count
from pathlib import Path
from typing import Any

from loopwright.errors import ServingError

_NUMBERS = count(1)


class Adapters:
    """The adapters of one model in memory; one of them, or none, is in use at a time."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._peft: Any = None
        self._names: dict[str, str] = {}  # PEFT's names may hold no dot
        self._used: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._names)

    def add(self, label: str, folder: Path) -> None:
        """Raises ServingError when the adapter does not load or does not fit the model."""
        _check(label, folder)
        name = f"adapter{next(_NUMBERS)}"
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                self._load(name, folder)
            except Exception as error:  # of many kinds, all meaning that it does not fit
                self._discard(name)
                raise ServingError(
                    f"cannot put the adapter {label} ({folder}) on this model: {error}",
                    hint="an adapter fits the base that it was tuned on",
                ) from error
        if missing := [str(entry.message) for entry in told if "missing" in str(entry.message)]:
            self._discard(name)
            raise ServingError(f"the adapter {label} ({folder}) is not whole: {missing[0][:300]}")
        self._names[label] = name
        self._activate(self._used)

    def use(self, label: str | None) -> None:
        """Answer as this adapter from now on; None is the base itself."""
        if label != self._used:
            self._activate(label)
            self._used = label

    def remove(self, label: str) -> None:
        """Free its memory."""
        name = self._names.pop(label, None)
        if name is None:
            return
        self._used = None
        self._activate(None)
        if self._names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that another one became active: we say which
                self._peft.delete_adapter(name)
        else:  # the last one: the model becomes what it was
            self._peft.unload()
            self._peft = None

    def _load(self, name: str, folder: Path) -> None:
        from peft import PeftModel

        if self._peft is None:
            self._peft = PeftModel.from_pretrained(
                self._model, folder, adapter_name=name, is_trainable=False
            )
        else:
            self._peft.load_adapter(folder, adapter_name=name, is_trainable=False)
        self._peft.eval()

    def _discard(self, name: str) -> None:
        if self._peft is None:
            return
        if not self._names:
            self._peft.unload()
            self._peft = None
        elif name in self._peft.peft_config:
            self._peft.delete_adapter(name)
            self._activate(self._used)

    def _activate(self, label: str | None) -> None:
        if self._peft is None:
            return
        if label is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.base_model.set_adapter(self._names[label], inference_mode=True)


def _check(label: str, folder: Path) -> None:
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServingError(f"{folder} holds no adapter for {label}: {error}") from error
    if not (folder / "adapter_model.safetensors").is_file():
        raise ServingError(f"{folder} holds no adapter_model.safetensors for {label}")
    kind = str(config.get("peft_type"))
    if kind.endswith("TUNING"):
        raise ServingError(
            f"the adapter {label} is of the kind {kind}, which this runtime does not serve",
            hint="use LoRA, or merge it into its base",
        )
