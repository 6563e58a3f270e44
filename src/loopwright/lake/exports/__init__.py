"""Exports: calls and datasets written whole, or not at all, where others can use them."""
