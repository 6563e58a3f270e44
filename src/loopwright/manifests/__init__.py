"""YAML text to Documents: reading, strict parsing, variables, source spans, diagnostics.

What a resource kind is, lives in `resources`; nothing here knows one. Problems of content are
collected as Diagnostics and never raised.
"""
