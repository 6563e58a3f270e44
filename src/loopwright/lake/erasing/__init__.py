"""What leaves a lake: a subject's calls, text and calls past their time, and the keys with them."""
