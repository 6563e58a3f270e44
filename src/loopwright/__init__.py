"""Close the LLM data loop as code."""

__version__ = "0.1.0"
