"""A Jupyter kernel in a process of its own, spoken to as a notebook in a browser speaks to it."""

import os
import sys
from contextlib import contextmanager
from queue import Empty

from jupyter_client.manager import KernelManager

PATIENCE = 30  # seconds that a loaded machine may take for what takes one


@contextmanager
def running_kernel(**environment):
    """A kernel of this Python with these environment variables; it is gone afterwards."""
    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    # The history of cells is the learner's own.
    manager.start_kernel(env=os.environ | environment, extra_arguments=["--HistoryManager.enabled=False"])
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


class Kernel:
    """What a notebook does with a kernel: run cells, send messages to widgets, and hear everything it says."""

    def __init__(self, manager, client):
        self.pid = manager.provisioner.pid
        self.client = client
        self.heard = []  # every message on the channel that all screens hear, in order
        self.replied = set()  # the cells that the kernel has told us are done

    def hear(self, wanted, since=0):
        """Wait for a message that `wanted` knows; its place in `heard`."""
        place = since
        while True:
            if place == len(self.heard):
                self.heard.append(self.client.get_iopub_msg(timeout=PATIENCE))
            if wanted(self.heard[place]):
                return place
            place += 1

    def start(self, code):
        """Send a cell off; its number."""
        return self.client.execute(code)

    def printed(self, cell):
        """What a cell prints, a line at a time, until it is done; its error is ours."""
        place, rest = -1, ""
        while True:
            place = self.hear(lambda message: message["parent_header"].get("msg_id") == cell, place + 1)
            message = self.heard[place]
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    *lines, rest = (rest + content["text"]).split("\n")
                    yield from lines
                case "error":
                    raise AssertionError("\n".join(content["traceback"]))
                case "status" if content["execution_state"] == "idle":
                    self.await_reply(cell)
                    return

    def run(self, code):
        """Run a cell to its end; the lines it printed."""
        return list(self.printed(self.start(code)))

    def ended(self, cell):
        """Wait for the end of a cell; its place in `heard`."""
        self.await_reply(cell)
        return self.hear(
            lambda message: (
                message["parent_header"].get("msg_id") == cell and message["content"].get("execution_state") == "idle"
            )
        )

    def await_reply(self, cell):
        """Wait until the kernel has said that a cell is done.

        ipykernel 7.0 to 7.3 may not notice what is sent to it in the very moment in which it replies, until somebody
        connects anew (ipykernel#1554, mended in 7.4): whoever does not wait here makes it hang, once in some runs.
        """
        while cell not in self.replied:
            self.replied.add(self.client.get_shell_msg(timeout=PATIENCE)["parent_header"].get("msg_id"))

    def new_subshell(self):
        """A second queue, which JupyterLab opens for a widget's messages where the kernel can."""
        request = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(request)
        while True:
            reply = self.client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"]["msg_id"] == request["header"]["msg_id"]:
                return reply["content"]["subshell_id"]

    def send(self, comm, content, subshell=None):
        """What a widget's front end sends to its Python half."""
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def last_words(self):
        """What was still under way from a kernel that is dead."""
        while True:
            try:
                self.heard.append(self.client.get_iopub_msg(timeout=0.2))
            except Empty:
                return self.heard
