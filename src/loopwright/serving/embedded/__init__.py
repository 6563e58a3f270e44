"""The runtime process itself: transformers behind OpenAI's API. Imports torch; nobody else does."""
