"""What runs in the training child: rows to tokens, TRL's trainer, checkpoints, the model folder.

The only place that imports torch, transformers, trl and peft.
"""
