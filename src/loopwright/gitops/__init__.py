"""The watcher: keeps the world as the manifests in a folder or a git repository say.

Sources tell what is declared, the loop decides when to look again, and the engine does the rest.
Nothing here plans or calls a provider by itself.
"""
