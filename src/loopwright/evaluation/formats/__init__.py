"""Logs of an evaluation as other evaluation tools write them."""
