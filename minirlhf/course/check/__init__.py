"""What a notebook needs beside the package itself: `show` the heart of an algorithm, write it, `check` it."""

from minirlhf.course.check.checking import Verdict, author, check
from minirlhf.course.check.progress import progress
from minirlhf.course.check.showing import show

__all__ = ["Verdict", "author", "check", "progress", "show"]
