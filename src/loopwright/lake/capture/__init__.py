"""Captured calls on their way into the lake: the sealed log, its ledger, and who empties it."""
