"""Supervised fine-tuning: a dataset version and a base model in, a model folder out.

Runs as a child process; what a plan needs (names, ranges and defaults of hyperparameters, counts
of tokens and steps) imports no torch.
"""
