"""The site: python -m sphinx -W docs SITE. Nothing is fetched to build it or to read it."""

from sphinx.application import Sphinx

import dedup

project = "dedup"
author = "the dedup authors"
copyright = "the dedup authors, Apache-2.0"
version = release = dedup.__version__
root_doc = "index"
extensions = ["myst_parser"]
exclude_patterns = ["scripts"]
myst_heading_anchors = 3  # links such as memory.md#how-much-a-job-takes work here as they do in the repository
suppress_warnings = ["misc.highlighting_failure"]  # crontab is no language of Pygments

html_theme = "furo"
html_title = "dedup"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"footer_icons": []}

# Pages of the repository outside of docs/, and where the site has them.
REPOSITORY = {
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/results/results.md": "project/benchmarks.md",
}


def _moved(_: Sphinx, name: str, content: list[str]) -> None:
    depth = name.count("/")
    for place, page in REPOSITORY.items():
        content[0] = content[0].replace(f"]({'../' * (depth + 1)}{place}", f"]({'../' * depth}{page}")


def setup(app: Sphinx) -> None:
    """Let links to pages of the repository lead to those of the site."""
    app.connect("source-read", _moved)
