"""The published schemas: what `loopwright schema` writes and `schemas/` in the repository holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import LoopwrightError
from loopwright.manifests.project import Project
from loopwright.planning.render.json import schema as plan_schema
from loopwright.resources.registry import kinds
from loopwright.resources.schema import SchemaMaker, headed, kind_schema, manifest_schema


def schema_files() -> dict[str, bytes]:
    """File name -> JSON: one for each kind, `manifest` (any kind), `project` and `plan`."""
    schemas = {kind.lower(): kind_schema(kind) for kind in kinds()}
    schemas["manifest"] = manifest_schema()
    schemas["project"] = _project_schema()
    schemas["plan"] = headed("plan", "A plan of loopwright", plan_schema())
    return {f"{name}.json": _text(schema) for name, schema in schemas.items()}


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into a folder, made when missing. Raises LoopwrightError."""
    files = schema_files()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise LoopwrightError(f"cannot write schemas to {folder}: {error.strerror}") from error
    return [folder / name for name in files]


def _project_schema() -> dict[str, Any]:
    made = Project.model_json_schema(schema_generator=SchemaMaker)
    return headed("project", "The project file loopwright.yaml", made)


def _text(schema: dict[str, Any]) -> bytes:
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2) + b"\n"
