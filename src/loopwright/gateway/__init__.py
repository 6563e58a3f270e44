"""The gateway: an OpenAI-compatible server in front of any number of upstreams.

Part of the data plane: it knows settings, calls and the lake's log, and nothing of resources,
plans or state.
"""
