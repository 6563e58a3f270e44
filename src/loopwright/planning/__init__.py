"""Pure: from (resources, state, observed, capabilities) to a frozen `Plan`, and its texts."""
