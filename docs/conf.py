"""The site: python -m sphinx -W docs SITE. Nothing is fetched to build it or to read it."""

import dedup

project = "dedup"
author = "the dedup authors"
copyright = "the dedup authors, Apache-2.0"
version = release = dedup.__version__
root_doc = "index"
extensions = ["myst_parser"]
exclude_patterns = ["scripts"]
myst_heading_anchors = 3  # links such as memory.md#how-much-a-job-takes work here as they do in the repository
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["misc.highlighting_failure"]  # crontab is no language of Pygments

html_theme = "furo"
html_title = "dedup"
html_static_path = []
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"footer_icons": []}
