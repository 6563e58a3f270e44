"""What loopwright remembers: one record a resource, and an append-only journal."""
