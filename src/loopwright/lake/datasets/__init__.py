"""Dataset versions: what is sampled from a lake, how it is cleaned, and what a version is."""
