"""A plan in text: for people (`human`), programs (`json`) and pull requests (`markdown`).

All three are pure functions of the same `Plan`; width and colour are arguments, never looked up.
"""
