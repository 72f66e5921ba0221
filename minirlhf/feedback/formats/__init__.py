"""Votes in and out of files: TRL's columns and the side table out, eight formats in."""

from minirlhf.feedback.formats.exports import Exported, export, preference_dataset, sft_dataset, unpaired_dataset
from minirlhf.feedback.formats.imports import FORMATS, Imported, LeftOut, detect_format, import_votes, read_votes
from minirlhf.feedback.formats.trl_rows import Fields

__all__ = [
    "FORMATS",
    "Exported",
    "Fields",
    "Imported",
    "LeftOut",
    "detect_format",
    "export",
    "import_votes",
    "preference_dataset",
    "read_votes",
    "sft_dataset",
    "unpaired_dataset",
]
