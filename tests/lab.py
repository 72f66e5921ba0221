"""A real JupyterLab in a real browser: `minirlhf lessons`, started as a learner does, and a page that looks at it."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OWN = re.compile(r"^(https?|wss?)://127\.0\.0\.1[:/]|^(data|blob|about):")
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

expect.set_options(timeout=20_000)  # a page on a busy machine may be slow; a wrong one stays wrong

CALM = """() => {
    const kernel = document.querySelector('.jp-Notebook-ExecutionIndicator');
    const waits = [...document.querySelectorAll('.jp-InputPrompt')].some((each) => each.textContent.includes('*'));
    if (!kernel || kernel.dataset.status !== 'idle' || waits) window.calmSince = null;
    else window.calmSince ??= performance.now();
    return window.calmSince && performance.now() - window.calmSince > 1000;
}"""

# Whether the kernel of a notebook has told the server that it waits: a page says so before it has any.
CONNECTED = """async ([address, name, token]) => {
    const sessions = await (await fetch(`${address}/api/sessions?${token}`)).json();
    return sessions.some((each) => each.path === name && each.kernel && each.kernel.execution_state === 'idle');
}"""

# From here on the page remembers whether a cell has begun to run: on a busy machine, that is a while after the click.
WATCH = """() => {
    const prompts = () => [...document.querySelectorAll('.jp-InputPrompt')].map((each) => each.textContent).join();
    const before = prompts();
    delete document.body.dataset.begun;
    new MutationObserver((_, observer) => {
        if (prompts() === before) return;
        document.body.dataset.begun = 'yes';
        observer.disconnect();
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
BEGINS = 3  # clicks: JupyterLab loses one on a page that is still being built


@contextmanager
def running_lab(folder: Path, theme: str = "light"):
    """`minirlhf lessons --no-browser` in a folder of its own; gives the address of its root, with a token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    private = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": THEMES[theme]}))
    private |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "MINIRLHF_VOTES": str(folder / "votes.db")}
    private |= {"MINIRLHF_PROGRESS": str(folder / "progress.json")}
    command = [sys.executable, "-m", "minirlhf.course.cli", "lessons", "--no-browser"]
    said = folder / "said.txt"
    with said.open("wb") as output:
        server = subprocess.Popen(
            [*command, f"--port={port}", f"--folder={folder / 'my_lessons'}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | private,
        )
    try:
        deadline = time.monotonic() + 180  # seconds: two started at once on a busy machine took more than 60
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+)/lab\S*\?(token=\w+)", said.read_text())):
            assert server.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
        yield Lab(*found.groups(), folder)
    finally:
        server.terminate()
        server.wait(timeout=20)


class Lab:
    """A running JupyterLab: its address, and the folder where its notebooks and votes are."""

    def __init__(self, address: str, token: str, folder: Path) -> None:
        self.address, self.token = address, token
        self.lessons, self.votes = folder / "my_lessons", folder / "votes.db"

    def write(self, name: str, *cells: str) -> str:
        """Put a notebook of code cells into the learner's folder."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.lessons / name)
        return name


@contextmanager
def browser():
    """Chromium without a screen."""
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


class Reader:
    """Somebody who reads a notebook in a browser. `strangers` lists every request that left this machine."""

    def __init__(self, chromium, lab: Lab, width: int = 1200, height: int = 1400) -> None:
        self.lab, self.strangers, self.errors = lab, [], []
        self.page: Page = chromium.new_page(viewport={"width": width, "height": height})
        self.page.on("request", lambda r: None if OWN.match(r.url) else self.strangers.append(r.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        # What JupyterLab asks who is quicker than their kernel, on a busy machine.
        asked = self.page.get_by_role("dialog").filter(has_text="Select kernel for")
        select = asked.get_by_role("button", name="Select Kernel", exact=True)
        self.page.add_locator_handler(asked, lambda: select.click())

    def open(self, name: str, anew: bool = True) -> None:
        """Open a notebook of the lab, and wait until its kernel is ready; anew: whatever was open before."""
        self.page.goto(f"{self.lab.address}/lab/tree/{name}?{'reset&' * anew}{self.lab.token}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.wait_for_function(
            CONNECTED, arg=[self.lab.address, name, self.lab.token], timeout=60_000, polling=200
        )
        self.wait_until_idle()

    def wait_until_idle(self, seconds: float = 90) -> None:
        """Wait until no cell has been running or waiting for a second: between two cells a kernel is idle too."""
        self.page.evaluate("window.calmSince = null")
        self.page.wait_for_function(CALM, timeout=seconds * 1000, polling=100)

    def menu(self, menu: str, entry: str) -> None:
        self.page.get_by_role("menubar").get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=entry).first.click()

    def run_all(self, seconds: float = 120) -> None:
        self.page.evaluate(WATCH)
        for click in range(1, BEGINS + 1):
            self.menu("Run", "Run All Cells")
            try:
                expect(self.page.locator("body[data-begun]")).to_have_count(1)
                break
            except AssertionError:
                if click == BEGINS:
                    raise
        self.wait_until_idle(seconds)

    def run_cells(self, until: str, seconds: float = 120) -> None:
        """Run from the selected cell on, a click a cell, up to the one that holds these words."""
        run = self.page.locator(".jp-NotebookPanel-toolbar [data-command='notebook:run-cell-and-select-next']")
        for _ in range(200):
            selected = self.page.locator(".jp-Notebook .jp-Cell.jp-mod-active").first
            last = until in selected.inner_text()
            run.click()
            if last:
                break
        else:
            raise AssertionError(f"No cell says {until!r}.")
        self.wait_until_idle(seconds)

    def look(self, folder: str | None, name: str) -> None:
        """Keep a picture of the screen, where somebody asked for one."""
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def restart(self) -> None:
        """Restart the kernel, and say yes to the question whether to."""
        self.menu("Kernel", "Restart Kernel…")
        with self.page.expect_response(lambda response: response.url.split("?")[0].endswith("/restart")):
            self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self.wait_until_idle()
