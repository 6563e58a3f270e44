"""The data plane's lake: recorded calls as encrypted Parquet, and the datasets sampled from them.

Knows nothing of manifests, resources, plans, state or providers; they meet it in
`providers/local` and the daemon. Import its modules where they are used, never at start-up:
they load pyarrow.
"""
