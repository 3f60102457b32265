"""The review page: what a person looks at in the morning, from a folder or from a small server.

``rendering`` joins the page of its parts (``page/``: plain scripts, styles, a template, vendored libraries) and one
document that says what there is to see.
"""
