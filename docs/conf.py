"""Settings of Sphinx, which builds the documentation as a site: ``make docs``."""

import re
from pathlib import Path

from sphinx.application import Sphinx

import wsvad

project = "wsvad"
author = "the authors of wsvad"
version = release = wsvad.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# The source is the repository, so that links between docs/, cluster/ and the files at the top are links of the site.
root_doc = "docs/index"
include_patterns = ["docs/**.md", "cluster/*.md", "*.md"]
exclude_patterns = ["docs/results/i3d-compact/**", ".venv/**", "build/**"]

html_theme = "furo"
html_title = f"wsvad {release}"
html_static_path: list[str] = []
html_show_sphinx = False

myst_heading_anchors = 4
myst_enable_extensions = ["fieldlist"]
autodoc_typehints = "none"  # the stub has them; the signatures are long enough
autodoc_member_order = "bysource"
napoleon_custom_sections = [("Returns", "params_style")]
nitpicky = False
suppress_warnings = ["myst.header"]  # a page may begin below the first level


def setup(app: Sphinx) -> None:
    """Show links to folders of the repository, which have no page, as plain text."""
    app.connect("source-read", _unlink_folders)


def _unlink_folders(app: Sphinx, page: str, source: list[str]) -> None:
    folder = Path(app.env.doc2path(page)).parent
    source[0] = re.sub(
        r"\[([^\]]*)\]\(([^):#\s]+)\)",
        lambda link: link[1] if (folder / link[2]).is_dir() else link[0],
        source[0],
    )
