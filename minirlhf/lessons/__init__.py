"""What a notebook needs beside the package itself: `show` the heart of an algorithm, write it, `check` it."""

from minirlhf.lessons.checking import Verdict, author, check
from minirlhf.lessons.progress import progress
from minirlhf.lessons.showing import show

__all__ = ["Verdict", "author", "check", "progress", "show"]
