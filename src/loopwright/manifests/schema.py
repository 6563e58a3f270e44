"""Follows the place of a pydantic error through the model's annotations and the data.

Answers, for one place: which field, which names or values are allowed there, which example to show.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin
