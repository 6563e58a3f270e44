"""Turns plans into effects: refresh, operations, apply, reconcile. Knows no concrete provider."""
