"""Do something that may never come back, and come back all the same.

On Linux it is done in a copy of this process (a fork, as torch's data loaders do it): a loop inside C that no trace
can stop, an exit, a crash or a full memory ends the copy and not the lesson. Elsewhere forks are not safe beside
torch, so it is done in a thread that is left behind when its time is up. A loop inside C lets no other thread run
there, so what to do then is said before it starts, and taken back when all went well.
"""

import faulthandler
import gc
import json
import os
import re
import select
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any

import torch

from minirlhf.course.check.showing import in_notebook

MEMORY = 2 << 30  # bytes that a copy may take beyond what we have
LAST_RESORT = 90.0  # seconds after which a copy that cannot even end itself is given up
ENDLESS = "Does a loop in it never end, or does one call take very long, such as time.sleep or list(count())?"
FATAL = "In a notebook that would end the kernel; a function ends with `return`."
STUCK = (
    "Your function is being tried. If this line stays for longer than half a minute, one call in it never ends (a sum, "
    "a list or a power that is far too large), and nothing here can stop it: restart the kernel, and look at that call."
)
CAN_FORK = sys.platform == "linux"


class Lost(Exception):
    """The work did not come back; `line` is the number of the learner's own line, `why` is a sentence's end.

    `reached` is what the work had last said with `has_reached`.
    """

    def __init__(self, why: str, remedy: str, file: str = "", line: int = 0, reached: str = "") -> None:
        super().__init__(why)
        self.why, self.remedy, self.file, self.line, self.reached = why, remedy, file, line, reached


def apart(work: Callable[[], Any], seconds: float, file: str = "") -> Any:
    """The result of `work`, which JSON must be able to hold; raises Lost where it does not come back in time.

    `file` is where the learner's function is written, so that a line of it can be named.
    """
    if CAN_FORK:
        return _in_a_copy(work, seconds, file)
    return _in_a_thread(work, 3 * seconds)


def has_reached(what: str) -> None:
    """Tell whoever waits how far the work has come, should it never come back."""
    if _pipe:
        os.write(_pipe[0], json.dumps({"reached": what}).encode() + b"\n")


_pipe: list[int] = []  # in a copy: where it tells its parent
_watch: list[Any] = []  # in a copy: where its watchdog writes its last words


def more_time(seconds: float) -> None:
    """From now on so many seconds more, for what is being done apart."""
    if _watch:
        faulthandler.dump_traceback_later(seconds, exit=True, file=_watch[0])


def _in_a_copy(work: Callable[[], Any], seconds: float, file: str) -> Any:
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    with tempfile.TemporaryFile("w+") as last_words:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that other threads run is known, and none of their locks is used
                child = os.fork()
        except OSError:  # no process left to be had
            os.close(reader)
            os.close(writer)
            return _in_a_thread(work, 3 * seconds)
        if child == 0:
            _be_the_copy(work, seconds, writer, last_words)
        os.close(writer)
        try:
            heard = _listen(reader, seconds + LAST_RESORT)
        finally:
            os.close(reader)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        told = [json.loads(line) for line in (heard or b"").splitlines(keepends=True) if line.endswith(b"\n")]
        answer = told[-1] if told else {"reached": ""}
        if heard is not None and "reached" not in answer:
            if "error" in answer:
                raise KeyboardInterrupt if answer["error"] == "KeyboardInterrupt" else RuntimeError(answer["error"])
            return answer["result"]
        last_words.seek(0)
        said = last_words.read()
    line = _line_of(said, file)
    if heard is None or "Timeout (" in said:
        raise Lost("its time ran out", ENDLESS, file, line, answer.get("reached", ""))
    if os.WIFSIGNALED(status):
        raise Lost(f"it ends Python itself ({signal.Signals(os.WTERMSIG(status)).name})", FATAL, file, line)
    raise Lost("it ends Python itself (an exit that nothing can catch)", FATAL, file, line)


def _be_the_copy(work: Callable[[], Any], seconds: float, writer: int, last_words: Any) -> None:
    """Never returns: what follows in the caller is the parent's to do."""
    code = 1
    try:
        gc.freeze()  # who looks for garbage writes into what it looks at, and all memory would be copied
        _limit_memory()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the stop button is the parent's to hear
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        torch.set_num_threads(1)  # the pool of threads stayed in the parent
        faulthandler.enable(last_words)
        _watch.append(last_words)
        _pipe.append(writer)
        more_time(seconds)
        try:
            answer = {"result": work()}
        except BaseException as error:
            answer = {"error": type(error).__name__ if isinstance(error, KeyboardInterrupt) else repr(error)}
        faulthandler.cancel_dump_traceback_later()
        with os.fdopen(writer, "wb") as out:
            out.write(json.dumps(answer).encode() + b"\n")
        code = 0
    finally:
        os._exit(code)


def _limit_memory() -> None:
    import resource

    with suppress(OSError, ValueError):
        with open("/proc/self/statm") as pages:
            now = int(pages.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = now + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (wanted if most < 0 else min(wanted, most), most))


def _listen(reader: int, seconds: float) -> bytes | None:
    """All that the copy says, or nothing if it is still silent when time is up."""
    heard, end = b"", perf_counter() + seconds
    while (left := end - perf_counter()) > 0:
        if select.select([reader], [], [], left)[0]:
            if not (more := os.read(reader, 1 << 16)):
                return heard
            heard += more
    return None


def _line_of(said: str, file: str) -> int:
    """The deepest line of this file in what faulthandler wrote."""
    current = said.split("Current thread", 1)[-1] if "Current thread" in said else said
    found = re.findall(r'File "([^"]*)", line (\d+)', current)
    return next((int(line) for name, line in found if file and name == file), 0)


@contextmanager
def _announced(seconds: float) -> Iterator[None]:
    """Say what it means if we never come back: at once in a notebook, in time on a terminal."""
    if in_notebook():
        from IPython.display import HTML, display

        shown = display(HTML(f"<small>{STUCK}</small>"), display_id=True)
        sys.stdout.flush()
        try:
            yield
        finally:
            if shown is not None:
                shown.update(HTML(""))
        return
    try:
        # The watchdog is a thread of C's own, and names the line that everything waits for.
        with suppress(AttributeError, OSError, ValueError):  # somebody took the terminal away
            faulthandler.dump_traceback_later(seconds + 1.0, file=sys.__stderr__ or sys.stderr)
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _in_a_thread(work: Callable[[], Any], seconds: float) -> Any:
    kept: list[Any] = []

    def run() -> None:
        try:
            kept.append((work(), None))
        except BaseException as error:
            kept.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    with _announced(seconds):
        thread.start()
        thread.join(seconds)
    if not kept:
        raise Lost("its time ran out", ENDLESS)
    result, error = kept[0]
    if error is not None:
        raise error
    return result
