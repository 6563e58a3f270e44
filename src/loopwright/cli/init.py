"""`loopwright init`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from loopwright.cli.output import say
from loopwright.errors import LoopwrightError

_PROJECT = """\
# What is about the project and not about one resource. All of it is optional.
variables:
  RATIO:
    type: number
    default: 0.5
    description: Share of the recorded calls that goes into the dataset.
"""

_MANIFESTS = """\
# A provider makes resources real. `local` does everything on this machine.
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata:
  name: local
spec:
  type: local
---
# Calls live here, encrypted. The master key is made on first use, beside the state.
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata:
  name: main
spec:
  provider: local
  storage: .loopwright/lake
---
# Recorded calls come in as JSONL, one exchange a line; bad lines are named and left out.
apiVersion: loopwright.dev/v1alpha1
kind: CallImport
metadata:
  name: recorded
spec:
  provider: local
  lake: main
  files: [calls.jsonl]
---
# An exact sample of them: the same spec and calls give the same lines on any machine.
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata:
  name: first-sample
spec:
  provider: local
  source:
    lake: main
  sampling:
    ratio: ${RATIO}
  split:
    validation: 0.1
"""

_EXCHANGES = (
    ("Where is my order?", "It left our warehouse this morning."),
    ("我的订单在哪里？", "今天早上已发货。"),
    ("Can I return shoes that I wore once?", "Yes, within 30 days, in their box."),
    ("可以开发票吗？", "可以，请在订单页面点击“申请发票”。"),
    ("The app shows a blank page.", "Please update it to the newest version and sign in again."),
    ("怎么修改收货地址？", "发货前可在订单详情里修改。"),
    ("Do you ship to Norway?", "We do; it takes five to seven days."),
    ("耳机保修多久？", "自购买之日起两年。"),
)

_FIRST_CALL = 1_790_000_000
"""Unix seconds; one call a minute from here."""

_IGNORED = """\
# State, keys and data of loopwright: this machine's own. Back up the keys elsewhere.
.loopwright/
"""


def _calls() -> str:
    """Recorded calls to begin with, a JSON object a line."""
    return "".join(
        json.dumps(
            {
                "endpoint": "support-chat",
                "created": _FIRST_CALL + 60 * number,
                "messages": [
                    {"role": "user", "content": asked},
                    {"role": "assistant", "content": answer},
                ],
            },
            ensure_ascii=False,
        )
        + "\n"
        for number, (asked, answer) in enumerate(_EXCHANGES)
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
def command(folder: Path) -> None:
    """Write a small, commented set of manifests to FOLDER (default: here)."""
    files = {
        folder / "loopwright.yaml": _PROJECT,
        folder / "manifests.yaml": _MANIFESTS,
        folder / "calls.jsonl": _calls(),
    }
    there = [str(path) for path in files if path.exists()]
    if there:
        raise LoopwrightError(
            f"nothing was written: there is already {', '.join(there)}",
            hint="choose another folder",
        )
    if not (folder / ".gitignore").exists():
        files[folder / ".gitignore"] = _IGNORED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LoopwrightError(f"cannot write to {folder}: {error.strerror}") from error
    say(f"Wrote {', '.join(str(path) for path in files)}.")
    inside = "" if folder == Path() else f"cd {folder} && "
    say(f"Next: {inside}loopwright plan    then: loopwright apply --wait")
