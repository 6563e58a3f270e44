"""What libyaml says when a text is not YAML, put into words that say what to change."""

from __future__ import annotations

import re

import yaml

from loopwright.manifests.diagnostics import Diagnostic
from loopwright.manifests.source import Source

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AMBIGUOUS = re.compile("[\x85\u2028\u2029\ufeff]")
_BARE_REFERENCE = re.compile(r"[\[{,:] *\$\{")
_TAB_INDENT = re.compile(r"[ \-]*\t")
_HINTS = {
    "mapping values are not allowed": "check the indentation, or quote a value that holds `: `",
    "could not find expected ':'": "a field needs `name: value`; check this line and the one above",
    "did not find expected key": "check the indentation of this line and the one above",
    "did not find expected '-' indicator": "check the indentation of this line",
    "did not find expected ',' or": "close the bracket, or put a comma between the items",
    "found character that cannot start any token": "quote the value",
    "found unexpected end of stream": "close the quote",
    "found unknown escape character": "write `\\\\` for a backslash, or use single quotes",
}


def ambiguous_problem(source: Source) -> Diagnostic | None:
    """An error at a character that YAML versions read differently: a line break, a mark or text.

    libyaml would fold it away, or make it a part of a field's name, without a word.
    """
    match = None if source.text.isascii() else _AMBIGUOUS.search(source.text)
    return _forbidden(source, match) if match else None


def syntax_problem(source: Source, error: yaml.YAMLError) -> Diagnostic:
    """The diagnostic for an error of the YAML parser."""
    if isinstance(error, yaml.MarkedYAMLError):
        return _marked(source, error)
    match = _FORBIDDEN.search(source.text)
    if match is None:
        return source.problem("yaml-syntax", "cannot read this as YAML", 0)
    return _forbidden(source, match)


def _forbidden(source: Source, match: re.Match[str]) -> Diagnostic:
    code = ord(match[0])
    escape = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return source.problem(
        "control-character",
        f"the character U+{code:04X} cannot stand in a manifest",
        match.start(),
        hint=f'remove it, or write "{escape}" in double quotes',
    )


def _marked(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    problem = error.problem or "not YAML"
    mark = error.problem_mark or error.context_mark
    if mark and error.context_mark and not source.text[mark.index :].strip():
        mark = error.context_mark  # at the end of the file there is nothing to show
    offset = mark.index if mark else 0
    if (tab := _tab_before(source.text, offset)) is not None:
        message = "a tab is not allowed in indentation"
        return source.problem("tab-indentation", message, tab, hint="indent with spaces")
    context = f", {error.context}" if error.context else ""
    hint = next((text for part, text in _HINTS.items() if part in problem), "")
    if _BARE_REFERENCE.search(source.line(source.span(offset).line)):
        hint = 'inside brackets, quote a variable: "${NAME}"'
    return source.problem(
        "yaml-syntax", f"cannot parse YAML: {problem}{context}", offset, hint=hint
    )


def _tab_before(text: str, offset: int) -> int | None:
    """The tab in the indentation of the line that holds `offset`, if there is one."""
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    match = _TAB_INDENT.match(text, start)
    return match.end() - 1 if match else None
