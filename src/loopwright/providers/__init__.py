"""The contract providers fulfil, how they are found, and the ones that ship with loopwright."""
