"""How Sphinx binds the book: myst-nb reads the notebooks, furo is the look. Read by Sphinx, not imported."""

from minirlhf import __version__

project = "minirlhf"
version = release = __version__
language = "en"
extensions = ["myst_nb", "minirlhf.course.book.formulas"]

nb_execution_mode = "off"  # the lessons come with their outputs: minirlhf/course/book/execute.py
nb_merge_streams = True
nb_ipywidgets_js = {}  # by default: scripts from the network
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "minirlhf.course.book.links.slug"
myst_update_mathjax = False
suppress_warnings = ["myst.header"]  # a page may begin small

html_theme = "furo"
html_title = "minirlhf"
html_math_renderer = "mathml"
html_static_path = ["book.css"]
html_css_files = ["book.css"]
html_copy_source = False
html_use_index = False
html_show_copyright = False
html_show_search_summary = False  # a page that is opened as a file may not read the others
