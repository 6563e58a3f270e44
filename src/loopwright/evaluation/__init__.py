"""Evaluation: items asked, answers scored, scores with intervals, comparisons paired by item."""
