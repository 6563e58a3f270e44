"""The project daemon: the process that hosts the gateway, and its authenticated loopback protocol.

Imports the data plane and manifests' leaf types; knows no plans, state or providers.
"""
