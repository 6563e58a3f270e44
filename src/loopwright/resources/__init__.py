"""The twelve kinds as validated declarations. Pure: no file, network, clock or environment."""
