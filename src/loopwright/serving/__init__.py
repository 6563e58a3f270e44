"""Runtimes: processes that answer OpenAI-compatible calls with models of this machine.

The embedded one runs transformers; of an external one its adapters are loaded and unloaded.
"""
