"""The command line answers, forwards its options, ends clearly, and really opens the lessons."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from minirlhf import paths
from minirlhf.course import cli, copies, hub
from minirlhf.machine.runtime import ON_HUB


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_every_command(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    page = capsys.readouterr().out
    assert not [name for name in cli.COMMANDS if not re.search(rf"^\W*{name}\s", page, re.M)]


def test_a_misspelt_command_is_answered_with_the_right_ones(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["lesons"])
    assert ended.value.code == 2
    assert "lessons" in capsys.readouterr().err


def test_help_imports_neither_torch_nor_jupyter():
    code = (
        "import sys; from minirlhf.course import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'jupyterlab', 'matplotlib', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_tells_its_options(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"minirlhf {command}" in capsys.readouterr().out


def test_every_setting_of_every_command_has_a_word_beside_it(capsys):
    """A default alone says nothing of what is set."""
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        page = re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out)
        settings = re.split(r"^ +(?=--[a-z])", page, flags=re.M)[1:]
        for setting in settings:
            name, *words = re.sub(r"\(default:.*", "", " ".join(setting.split())).split()
            assert sum(word.islower() for word in words) >= 2, f"minirlhf {command} {name}"


LATE = (("--votes", "0"), "votes"), (("--compare-on", "0"), "compare_on"), (("--out", "{taken}/x"), "--out")


@pytest.mark.parametrize(("asked", "named"), LATE)
def test_what_would_end_the_demo_late_is_found_before_anything_is_trained(asked, named, tmp_path, monkeypatch, capsys):
    from minirlhf import pipeline

    def trains(*_):
        raise AssertionError("It trained before it looked.")

    monkeypatch.setattr(pipeline, "tune", trains)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    assert cli.main(["demo", *(word.format(taken=tmp_path / "taken") for word in asked)]) == 2
    assert named in capsys.readouterr().err


def test_ctrl_c_in_the_demo_says_what_can_be_done_and_not_what_a_stage_would(tmp_path, monkeypatch, capsys):
    from minirlhf import pipeline

    def stopped(*_):
        stop = KeyboardInterrupt()
        stop.add_note("To go on, call the same function again with state=…")
        raise stop

    monkeypatch.setattr(pipeline, "tune", stopped)
    assert cli.main(["demo", "--out", str(tmp_path / "demo")]) == 130
    told = capsys.readouterr().err
    assert "minirlhf demo" in told and "state=" not in told


def test_the_console_script_is_this_main():
    script = shutil.which("minirlhf", path=os.path.dirname(sys.executable))
    assert script, "pip install -e . puts it beside python"
    assert "checkpoints" in subprocess.check_output([script, "--help"], text=True)


def test_an_error_for_people_is_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.delenv(cli.SHOW_TRACEBACK, raising=False)
    assert cli.main(["lessons"]) == 2
    said = capsys.readouterr().err
    assert "clone the repository" in said
    assert "Traceback" not in said
    monkeypatch.setenv(cli.SHOW_TRACEBACK, "1")
    with pytest.raises(FileNotFoundError):
        cli.main(["lessons"])


def test_an_error_from_elsewhere_keeps_its_traceback(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "doctor", lambda: int("not ours"))
    with pytest.raises(ValueError, match="not ours"):
        cli.main(["doctor"])


def test_ctrl_c_ends_with_a_word_on_how_to_go_on(monkeypatch, capsys):
    def stopped():
        stop = KeyboardInterrupt()
        stop.add_note("The models of update 12 are in runs/demo; --resume goes on from there.")
        raise stop

    monkeypatch.setitem(cli.COMMANDS, "doctor", stopped)
    assert cli.main(["doctor"]) == 130
    assert "goes on from there" in capsys.readouterr().err

    def stopped_without_a_word():
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "doctor", stopped_without_a_word)
    assert cli.main(["doctor"]) == 130
    assert "minirlhf doctor" in capsys.readouterr().err


def test_votes_go_out_of_files_into_a_store_and_back(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIRLHF_VOTES", str(tmp_path / "mine.db"))
    good = {"prompt": "Hi", "chosen": " a", "rejected": " b"}
    (tmp_path / "good.jsonl").write_text(json.dumps(good), "utf-8")
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, [good | {"prompt": "Ho"}, good | {"chosen": ""}])))
    files = [str(tmp_path / name) for name in ("good.jsonl", "bad.jsonl")]

    assert cli.main(["votes", "import", *files]) == 2
    assert "bad.jsonl, line 2" in capsys.readouterr().err
    assert cli.main(["votes"]) == 0
    assert f"{tmp_path / 'mine.db'}: 0 votes" in capsys.readouterr().out  # all of the files, or none

    assert cli.main(["votes", "import", *files, "--on-bad-rows", "skip", "--voter", "class B"]) == 0
    told = capsys.readouterr().out
    assert "1 left out" in told and "line 2: 'chosen' is empty" in told and "2 new votes" in told
    assert cli.main(["votes", "count"]) == 0
    assert re.search(r"2 votes\n +2 +class B \(imported\)", capsys.readouterr().out)

    assert cli.main(["votes", "export", str(tmp_path / "files"), "--format", "parquet", "--conversational"]) == 0
    assert (tmp_path / "files" / "preference.parquet").is_file()
    assert cli.main(["votes", "export", str(tmp_path / "files")]) == 2  # is there already
    assert "--overwrite" not in capsys.readouterr().out

    # Into another store: a folder of an export, and a store; all of it is there once.
    for source in ("files", "mine.db", "files"):
        assert cli.main(["votes", "import", str(tmp_path / source), "--into", str(tmp_path / "class.db")]) == 0
    capsys.readouterr()
    assert cli.main(["votes", "count", "--store", str(tmp_path / "class.db")]) == 0
    assert "2 votes" in capsys.readouterr().out


def test_no_browser_is_opened_without_a_screen(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not cli.can_open_browser()


@pytest.mark.parametrize("inside", hub.OF_A_SERVER)
def test_in_a_hubs_server_the_lessons_are_copied_and_no_second_server_is_started(tmp_path, monkeypatch, capsys, inside):
    """In a terminal or a notebook; nobody outside could reach another one."""
    for name in (ON_HUB, hub.WHERE_TO_SERVE):
        monkeypatch.setenv(name, "of a hub")
    assert hub.waits_for_a_server()
    monkeypatch.setenv(inside, "of a server")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["lessons"]) == 0
    assert (tmp_path / "my_lessons" / copies.FIRST_LESSON).is_file()
    assert f"my_lessons/{copies.FIRST_LESSON}" in capsys.readouterr().out


@pytest.fixture
def lessons_running(tmp_path):
    """`minirlhf lessons` as a learner starts it without a screen: its folder, what it says, and itself."""
    folder, said = tmp_path / "my_lessons", tmp_path / "said.txt"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    private = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "minirlhf.course.cli", "lessons", "--no-browser"]
    with said.open("wb") as output:
        server = subprocess.Popen(
            [*command, f"--port={port}", f"--folder={folder}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | private,
        )
    try:
        yield folder, said, server
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_for(what, server, said, seconds=60):
    """Ask again until there is an answer; what the server said so far if there never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        if answer := what():
            return answer
        time.sleep(0.05)
    pytest.fail(f"no answer after {seconds} s from\n{said.read_text()}")


def fetch(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as page:
            return page.read().decode()
    except urllib.error.URLError:
        return None


def test_lessons_opens_jupyterlab_on_the_first_lesson(lessons_running):
    folder, said, server = lessons_running
    address = rf"http://127\.0\.0\.1:\d+/lab/tree/{re.escape(copies.FIRST_LESSON)}\?token=\w+"
    found = wait_for(lambda: re.search(address, said.read_text()), server, said)
    assert str(folder) in said.read_text()
    page = wait_for(lambda: fetch(found[0]), server, said)
    assert "JupyterLab" in page
    assert '"news": {"disabled": true}' in page, "JupyterLab would ask the network for news"

    listing, token = found[0].split("/lab/")[0] + "/api/contents?", found[0].split("?")[1]
    assert f'"{copies.FIRST_LESSON}"' in fetch(listing + token)
    assert fetch(listing) is None, "without its token the server must not answer"

    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=20) is not None
    assert fetch(found[0]) is None
