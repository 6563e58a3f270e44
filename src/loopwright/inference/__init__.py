"""Asking OpenAI-compatible servers many things at once: bounded, retried, resumed after a kill."""
