"""Every figure of the lessons as one run drew it, kept for the day when a laptop fails; ours in data/recorded/figures.

A page for each lesson, with its pictures and tables in order under the headings where they belong. Each picture says
on itself that it is recorded. The pages are plain files: a phone shows them too.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from html import escape
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat import NotebookNode
from PIL import Image, ImageDraw, ImageFont

from minirlhf.course.book.execute import words_of
from minirlhf.course.book.pages import replace, require_ours

WIDEST = 1000  # pixels
COLOURS = 64  # of a picture; so few keep it small, and a figure has no more
BELOW = 22  # pixels, below a picture, for the words that say what it is
INLINE = re.compile(r'src="data:image/png;base64,([^"]+)"')
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ max-width: 1020px; margin: 24px auto; padding: 0 12px; font: 16px/1.5 sans-serif }}
body {{ color: #222; background: #fff }}
img {{ max-width: 100%; display: block }}
section {{ margin: 0 0 32px; overflow-x: auto }}
.note {{ color: #767676 }}
</style>
<main>
<h1>{title}</h1>
<p class="note">{note}</p>
{body}
</main>
</html>
"""


def keep_figures(lessons: Mapping[str, NotebookNode], target: Path) -> Path:
    """Write the figures of lessons that were run; earlier ones there are replaced. Returns the page that lists them."""
    require_ours(target)
    with TemporaryDirectory() as place:
        made = Path(place) / "figures"
        made.mkdir()
        write_figures(lessons, made)
        replace(target, made)
    return target / "index.html"


def write_figures(lessons: Mapping[str, NotebookNode], target: Path) -> None:
    """A page for each lesson that shows anything, its pictures beside it, and a page that lists them."""
    listed = []
    for name, notebook in lessons.items():
        shown = list(_shown(notebook))
        if not shown:
            continue
        numbered = name[:2].isdigit()
        place = f"lesson {name[:2]}" if numbered else _title(notebook).split(":")[0]
        names = (target / f"{name[:2] if numbered else name}_{n:02d}.png" for n in count())
        body = "\n".join(
            _section(names, f"{place}, cell {number}", heading, output) for number, heading, output in shown
        )
        title = f"{_title(notebook)}: recorded figures"
        note = "Drawn by one run of the lesson, and recorded. Your own run will differ where chance plays a part."
        (target / f"{name}.html").write_text(_page(title, note, body), encoding="utf-8")
        listed.append(f'<p><a href="{name}.html">{escape(_title(notebook))}</a></p>')
    note = "For the day when a laptop fails. To make them anew: <code>minirlhf figures</code>"
    (target / "index.html").write_text(_page("Recorded figures", note, "\n".join(listed)), encoding="utf-8")


def _page(title: str, note: str, body: str) -> str:
    return PAGE.format(title=escape(title), note=note, body=body)


def _title(notebook: NotebookNode) -> str:
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


def _shown(notebook: NotebookNode) -> Iterator[tuple[int, str, NotebookNode]]:
    """Each output that is to be looked at: the number of its cell, the heading above it, the output."""
    heading = ""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            heading = ([heading, *re.findall(r"^##+ (.+)$", cell.source, re.M)])[-1]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data or "text/html" in data:
                yield number, heading, output


def _section(names: Iterator[Path], place: str, heading: str, output: NotebookNode) -> str:
    """A picture or a table under its heading; pictures, also those inside a table, become files of their own."""

    def kept(png: str) -> str:
        file = next(names)
        _marked(png, f"recorded: {place}").save(file, optimize=True)
        return f'src="{file.name}"'

    if "image/png" in output.data:
        inside = f'<img {kept(output.data["image/png"])} alt="{escape(words_of(output) or heading)}">'
    else:  # its pictures have their words already
        inside = INLINE.sub(lambda found: kept(found[1]), output.data["text/html"])
    return f'<section>\n<h2>{escape(heading)}</h2>\n<p class="note">recorded: {place}</p>\n{inside}\n</section>'


def _marked(png: str, words: str) -> Image.Image:
    """The picture, no wider than a page, in few colours, with a strip below that says that it is recorded."""
    picture = Image.open(BytesIO(b64decode(png))).convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (picture.width, picture.height + BELOW), "white")
    whole.paste(picture)
    ImageDraw.Draw(whole).text((8, picture.height + 3), words, fill="#767676", font=ImageFont.load_default(13))
    return whole.quantize(COLOURS, dither=Image.Dither.NONE)
