"""The review page for events, written to a folder or served by a small server.

``rendering`` builds the page from its parts (``page/``: plain scripts, styles, a template, vendored libraries) and one
document with the data to show.
"""
