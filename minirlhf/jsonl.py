"""JSONL files as rows, checked whole: an error names the file, the line and the remedy, and nothing is half loaded."""

import json
import tempfile
from pathlib import Path


def read_jsonl(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict]]:
    """The rows of a JSONL file with their line numbers, every one checked to hold these columns as text."""
    import datasets  # here and not above: it takes a second to import

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. `minirlhf data` writes the texts that the lessons use.")
    datasets.disable_progress_bars()  # a bar for a tenth of a second is only noise
    with tempfile.TemporaryDirectory() as cache:  # never a stale copy from a shared cache
        try:
            rows = datasets.Dataset.from_json(str(path), cache_dir=cache, keep_in_memory=True).to_list()
        except Exception as error:
            raise ValueError(_find_malformed(path, columns, error)) from None
    lines = _lines(path)
    if len(rows) != len(lines):
        raise ValueError(
            f"{path}: {len(rows)} rows in {len(lines)} lines; each row needs a line of its own. Nothing was loaded."
        )
    numbered = [(n, row) for (n, _), row in zip(lines, rows, strict=True)]
    for n, row in numbered:
        if problem := _find_missing(row, columns):
            raise ValueError(f"{path}, line {n}: {problem} Nothing was loaded.")
    return numbered


def _lines(path: Path) -> list[tuple[int, bytes]]:
    """The numbered lines that are not blank. str.splitlines would also cut at U+2028, which a text may hold."""
    return [(n, line) for n, line in enumerate(path.read_bytes().split(b"\n"), start=1) if line.strip()]


def _find_missing(row: dict, columns: tuple[str, ...]) -> str | None:
    """What keeps a row from being used, and the remedy; None if nothing does."""
    for column in columns:
        if not isinstance(row.get(column), str):
            have = ", ".join(k for k, v in row.items() if v is not None) or "nothing"
            return (
                f"the column '{column}' is missing or is not text (the row has: {have}). "
                f"Each row needs {', '.join(columns)}."
            )
        if not row[column].strip():
            return f"'{column}' is empty; drop the row or fill it in."
    return None


def _find_malformed(path: Path, columns: tuple[str, ...], error: Exception) -> str:
    """What is wrong with the first line that cannot be read, and the remedy."""
    lines = _lines(path)
    if not lines:
        return f"{path}: the file is empty; it needs one JSON object a line. Nothing was loaded."
    for n, line in lines:
        try:
            row = json.loads(line)
        except UnicodeDecodeError:
            return f"{path}, line {n}: not UTF-8; save the file as UTF-8. Nothing was loaded."
        except json.JSONDecodeError as syntax:
            where = f"{syntax.msg}, column {syntax.colno}"
            return f"{path}, line {n}: not valid JSON ({where}): fix or drop the line. Nothing was loaded."
        if not isinstance(row, dict):
            return f'{path}, line {n}: a row must be a JSON object like {{"prompt": …}}. Nothing was loaded.'
        if problem := _find_missing(row, columns):
            return f"{path}, line {n}: {problem} Nothing was loaded."
    return f"{path}: could not be read as JSONL ({error.__cause__ or error}). Nothing was loaded."
