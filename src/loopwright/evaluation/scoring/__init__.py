"""How answers are scored: one function a method, 0-100 points an item."""
