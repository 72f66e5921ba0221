"""Whoever is cited by name and year stands in the glossary's list of papers, and nobody stands there for nothing."""

import re
from itertools import chain
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "notebooks" / "glossary.ipynb"

NAME = r"[A-ZÀ-Þ]+[a-zß-ÿ][^\W\d_]*(?:[–-][A-ZÀ-Þ]\w+)?"
AUTHORS = rf"(?:{NAME}(?:, {NAME})+,? and {NAME}|{NAME} and (?:{NAME}|others)|{NAME}(?: et al\.)?)(?:['’]s?)?"
YEAR = r"(?:18|19|20)\d\d"
CITED = re.compile(rf"\b(?P<authors>{AUTHORS})(?:,? \(|, )(?P<years>{YEAR}(?:(?:,| and|, and) {YEAR})*)\b")


def plain(text):
    """Text as it is read: links and emphasis gone, and what breaks a sentence over lines of code."""
    text = re.sub(r"\[([^\[\]]*)\]\([^()\s]*\)", r"\1", text).replace("*", "")
    return re.sub(r"\s*\n\s*(?:#:? |\"|')?", " ", text)


def citations(text):
    """Every work that a text cites, as (first author, year)."""
    for found in CITED.finditer(plain(text)):
        first = re.split(r"['’]s?\b|[,–]| and | et ", found["authors"])[0]
        yield from ((first, year) for year in re.findall(YEAR, found["years"]))


def markdown(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def texts():
    """All that is read by learners, teachers and readers of the code, but for the list itself."""
    pages = [ROOT / "README.md", ROOT / "data" / "README.md", *(ROOT / "notebooks" / "teaching").glob("*.md")]
    for path in [*(ROOT / "minirlhf").rglob("*.py"), *pages]:
        yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        yield path.name, "\n\n".join(cell for cell in markdown(path) if not cell.startswith("## Papers"))


def entries():
    """The list, a line a work: `- **Cohen, 1960.** [title](link). Authors.`"""
    (listed,) = (cell for cell in markdown(GLOSSARY) if cell.startswith("## Papers"))
    return [line for line in listed.splitlines() if line.startswith("- ")]


def listed():
    return [next(citations(line), (line, "?")) for line in entries()]


def test_every_work_that_is_cited_is_listed():
    known = set(listed())
    missing = [f"{where}: {name}, {year}" for where, text in texts() for name, year in citations(text)]
    missing = [line for line in missing if tuple(line.rsplit(": ", 1)[1].split(", ")) not in known]
    assert not missing, "cited, and not among the papers at the end of notebooks/glossary.ipynb:\n" + "\n".join(missing)


def test_every_work_that_is_listed_is_cited():
    cited = set(chain.from_iterable(citations(text) for _, text in texts()))
    assert not [f"{name}, {year}" for name, year in listed() if (name, year) not in cited]


def test_an_entry_has_title_and_authors_and_stands_in_order_once():
    for line in entries():
        assert re.fullmatch(r"- \*\*.+, \d{4}\.\*\* (?:\[[^\]]+\]\(https?://\S+\)|[A-Z][^\[\]]+)\. [A-Z].+\.", line), (
            line
        )
        (first, _), authors = next(citations(line)), line.split(".** ")[1]
        assert first in authors, line
    works = listed()
    assert works == sorted(works) and len(set(works)) == len(works)
    links = re.findall(r"\]\((\S+)\)", "\n".join(entries()))
    assert len(set(links)) == len(links)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(Schulman et al., 2017, eq. 7)", {("Schulman", "2017")}),
        ("(REINFORCE: Williams, 1992) and Cox (1958, 1966)", {("Williams", "1992"), ("Cox", "1958"), ("Cox", "1966")}),
        ("as Coste et al.\n# (2023) have them", {("Coste", "2023")}),
        ("that Bradley and Terry (1952) give it", {("Bradley", "1952")}),
        ("Gao, Schulman and Hilton (2023) found", {("Gao", "2023")}),
        ("that [Gao and others (2023)](glossary.ipynb#Papers) found", {("Gao", "2023")}),
        ("Krippendorff's (2011) α, and Gao et al.'s (2023)", {("Krippendorff", "2011"), ("Gao", "2023")}),
        ("**[Bradley–Terry](glossary.ipynb#Bradley–Terry)**, [1952](glossary.ipynb#Papers)", {("Bradley", "1952")}),
        ("In PPO, Schulman et al. (2016 and 2017)", {("Schulman", "2016"), ("Schulman", "2017")}),
        ("Üstün (2024)", {("Üstün", "2024")}),
        ("in November 2026, 2000 rows, datetime(2026, 3, 2), TRL 1.12.0 (2024)", set()),
    ],
)
def test_a_citation_is_read_however_it_is_written(text, found):
    assert set(citations(text)) == found
