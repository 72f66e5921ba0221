"""Links between lessons, as JupyterLab understands them: `glossary.ipynb#Base-model` is the heading "base model"."""

import re
from collections.abc import Callable

LINK = re.compile(r"\]\((?P<page>[\w.-]+)\.ipynb(?:#(?P<term>[^)\s]+))?\)")


def slug(heading: str) -> str:
    """What a link says for a heading: hyphens for blanks; great or small letters are the same."""
    return heading.strip().replace(" ", "-").lower()


def relinked(markdown: str, target: Callable[[str, str], str]) -> str:
    """Markdown whose links to notebooks go to target(page, slug of the heading or "")."""
    return LINK.sub(lambda link: f"]({target(link['page'], slug(link['term'] or ''))})", markdown)
