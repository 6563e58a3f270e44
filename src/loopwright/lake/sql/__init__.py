"""SQL over the lake: one SELECT at a time, run by DuckDB in a child process that can do no harm.

The child reads the lake's encrypted files through the lake's own reader; DuckDB sees Arrow rows
and nothing else. `asking` is the way in; `child` is the other side of the pipe.
"""
