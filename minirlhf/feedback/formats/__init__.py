"""Votes in and out of files: TRL's columns and the side table out, eight formats in."""

from minirlhf.feedback.formats.exports import Exported, export, preference_dataset, sft_dataset, unpaired_dataset
from minirlhf.feedback.formats.imports import FORMATS, detect_format, read_votes

__all__ = [
    "FORMATS",
    "Exported",
    "detect_format",
    "export",
    "preference_dataset",
    "read_votes",
    "sft_dataset",
    "unpaired_dataset",
]
