"""`minirlhf votes`: how many votes there are and whose, votes out of files, votes into files."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from minirlhf.feedback.formats import export, import_votes
from minirlhf.feedback.formats.imports import FORMATS
from minirlhf.feedback.formats.trl_rows import Fields
from minirlhf.feedback.store import FeedbackStore, is_store, named
from minirlhf.files.contents import located
from minirlhf.files.messages import counted, listed

Store = Annotated[str | None, tyro.conf.arg(metavar="STORE")]


@dataclass(frozen=True)
class Count:
    """Say how many votes there are, and whose."""

    store: Store = None
    """a file or a database's address, if not your own votes"""

    def run(self) -> None:
        votes = FeedbackStore(self.store)
        found = votes.votes()
        print(f"{votes.where}: {counted(len(found), 'vote')}")
        for (voter, origin), n in Counter((vote.voter, vote.origin) for vote in found).most_common():
            print(f"  {n:>6,}  {listed([voter])} ({origin})")


@dataclass(frozen=True)
class Import:
    """Take the votes of files over: JSON lines, JSON, CSV, TSV, Parquet, also gzipped; an export's folder; a store."""

    files: Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE")]]
    """what is to be taken over; all of it, or nothing where one file cannot be read"""
    into: Store = None
    """a file or a database's address, if not your own votes"""
    on_bad_rows: Literal["refuse", "skip"] = "refuse"
    """refuse a file with a bad row, or skip the row and say which it was"""
    format: Annotated[str | None, tyro.conf.arg(metavar="FORMAT")] = None
    """one of votes, label-studio, argilla, ultrafeedback, hh-rlhf, preference, unpaired, sft, if it is not found out"""
    voter: str = "imported"
    """the pseudonym of whoever voted, where a file names nobody"""
    system: Literal["keep", "drop"] = "keep"
    """keep what a system message says as a part of the prompt, or drop it"""

    def run(self) -> None:
        if not self.files:
            raise ValueError(f"No file was named; the formats are {', '.join(FORMATS)}. Nothing was imported.")
        votes, stores = [], []
        for name in self.files:
            path = located(name)
            if is_store(path):
                stores.append(path)
                continue
            found = import_votes(
                path / "votes.jsonl" if path.is_dir() else path,
                self.format,
                self.on_bad_rows,
                Fields(self.voter, system=self.system),
            )
            print(found)
            votes += named(found.votes)
        store = FeedbackStore(self.into)
        new = store.extend(votes)
        print(f"{store.where}: {counted(new, 'new vote')}, {counted(len(votes) - new, 'vote')} there already.")
        for path in stores:
            print(f"{path}: {counted(store.merge(path), 'new event')}.")


@dataclass(frozen=True)
class Export:
    """Write the votes into a folder: in TRL's columns, and with everything about each in votes.jsonl."""

    folder: Positional[Annotated[str, tyro.conf.arg(metavar="FOLDER")]]
    """where the files are put"""
    store: Annotated[str | None, tyro.conf.arg(name="from", metavar="STORE")] = None
    """a file or a database's address, if not your own votes"""
    format: Literal["jsonl", "parquet"] = "jsonl"
    """the kind of the three data sets"""
    conversational: bool = False
    """write messages instead of texts"""
    anonymous: bool = False
    """call people by numbers"""
    overwrite: bool = False
    """replace what an earlier export has left there"""

    def run(self) -> None:
        votes = FeedbackStore(self.store).votes()
        print(
            export(
                votes,
                self.folder,
                self.format,
                conversational=self.conversational,
                anonymous=self.anonymous,
                overwrite=self.overwrite,
            )
        )


Action = (
    Annotated[Count, tyro.conf.subcommand("count")]
    | Annotated[Import, tyro.conf.subcommand("import")]
    | Annotated[Export, tyro.conf.subcommand("export")]
)


def votes(action: tyro.conf.OmitSubcommandPrefixes[Annotated[Action, tyro.conf.arg(name="")]] = Count()) -> None:
    """Say how many votes there are and whose; import votes out of files, export them into files."""
    action.run()
