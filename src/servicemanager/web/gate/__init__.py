"""Who may see and do what: everything between the socket and the pages.

Each rule is a small ASGI middleware or a pure function; `Gate` puts them in their order. A path is closed unless
`paths.py` says that it is open, and an unsafe method needs an administrator whatever its endpoint asks for.
"""
