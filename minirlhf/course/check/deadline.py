"""Stop a function that does not come to an end, on every system, without a thread or a signal.

Python can be asked to call us before each line it runs (`sys.settrace`): we look at the clock, and raise.
What this cannot stop is a loop that runs inside C, such as `list(itertools.count())`; `apart` can.
"""

import dis
import functools
import sys
from time import perf_counter
from types import CodeType, FrameType, TracebackType
from typing import Any, no_type_check


# Types are not checked here, not even in the tests: a wrapper round a tracer would be traced itself.
@no_type_check
class TimeUp(BaseException):
    """Raised inside a function whose time is up. `except Exception` lets it through."""

    def __init__(self, deadline: "Deadline") -> None:
        super().__init__(f"stopped after {deadline.seconds:.1f} s")
        self.deadline = deadline

    def __del__(self) -> None:
        # Somebody swallowed it with a bare `except:`, and Python stops tracing once a tracer has raised.
        self.deadline.look_again()


@no_type_check
class Deadline:
    """`with Deadline(3.0): f()` raises TimeUp inside f once three seconds have passed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.running = False

    def __enter__(self) -> None:
        self.caller, self.earlier = sys._getframe(1), sys.gettrace()
        self.end, self.running = perf_counter() + self.seconds, True
        sys.settrace(self.look)

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.running = False
        del self.caller
        sys.settrace(self.earlier)  # a debugger or a coverage tool may have been looking before us

    def look(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Called by Python at every call and every line below the `with`."""
        if frame.f_code in _OURS:
            return None  # to raise in here would leave the tracer behind, to go off in somebody else's code
        if self.running and perf_counter() > self.end and event in ("call", "line", "opcode"):
            raise TimeUp(self)
        if event == "call" and _spins_on_the_spot(frame.f_code):
            frame.f_trace_opcodes = True
        return self.look

    def look_again(self) -> None:
        """Trace once more all that is running below the `with`; the next line there raises again."""
        if not self.running:
            return
        frame = sys._getframe(1)
        while frame is not None and frame is not self.caller:
            frame.f_trace = self.look
            frame = frame.f_back
        sys.settrace(self.look)


@functools.cache
def _spins_on_the_spot(code: CodeType) -> bool:
    """Does it hold a `while True: pass`? That is one instruction that jumps to itself, and never a new line."""
    return any(step.argval == step.offset for step in dis.get_instructions(code) if "JUMP_BACKWARD" in step.opname)


_OURS = {Deadline.__exit__.__code__, Deadline.look_again.__code__, TimeUp.__init__.__code__, TimeUp.__del__.__code__}
