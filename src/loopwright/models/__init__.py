"""Models on this machine: base models, the registry of what was trained or imported, their digests.

Knows files and digests; torch is imported only where weights are merged.
"""
