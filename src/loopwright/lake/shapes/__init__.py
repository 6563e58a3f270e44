"""The shapes in which others record calls, one a file, each brought to a chat exchange.

Pure: a line comes in as parsed JSON, an `Exchange` goes out. Files are read in `lake.jsonl`, and
`lake.importing` puts what was found into a lake.
"""
