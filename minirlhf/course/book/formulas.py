"""Formulas as MathML, which browsers draw by themselves: no script, no font, no network."""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

CODE = r"```.*?```|`[^`\n]*`"
FORMULA = re.compile(rf"(?P<code>{CODE})|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^\s$](?:[^$\n]*[^\s$])?)\$", re.S)


def mathml(tex: str, block: bool = False) -> str:
    """A formula in TeX as a MathML element on one line: what starts a line with blanks is code in Markdown."""
    found = "".join(line.strip() for line in tex2mathml(tex.strip()).splitlines())
    return found.replace("<math ", '<math display="block" ', 1) if block else found


def with_formulas(markdown: str) -> str:
    """Markdown with its $…$ and $$…$$ as MathML; what stands in code stays."""
    return FORMULA.sub(_as_mathml, markdown)


def _as_mathml(found: re.Match[str]) -> str:
    if found["code"]:
        return found["code"]
    return mathml(found["block"], block=True) if found["block"] else mathml(found["inline"])


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls: the renderer is chosen in conf.py by its name."""
    app.add_html_math_renderer("mathml", (_write_inline, None), (_write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write_inline(page: Any, node: nodes.math) -> None:
    page.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _write_block(page: Any, node: nodes.math_block) -> None:
    page.body.append(mathml(node.astext(), block=True))
    raise nodes.SkipNode
