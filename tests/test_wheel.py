"""The wheel is enough: installed without the repository, it brings the lessons and what they read."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LEARNER = """
from pathlib import Path
import minirlhf
from minirlhf import load_shipped, paths
from minirlhf.course.copies import copy_lessons
from minirlhf.feedback.store import FeedbackStore

assert Path(minirlhf.__file__).is_relative_to(Path(site)), "this is the repository's"
first = copy_lessons()
assert load_shipped().prompts("held_out")
assert {copy.action for copy in first} == {"new"} and {copy.action for copy in copy_lessons()} == {"same"}
os.chdir("my_lessons")  # where a lesson's kernel starts
assert paths.lessons_folder() == Path.cwd() and FeedbackStore().path == Path.cwd() / "votes.db"
print(*sorted(path.name for path in Path().iterdir()))
"""


pytestmark = pytest.mark.slow


def tracked(*folders):
    """Every file that git has, or would have after `git add`."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", *folders]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    return {name for name in listed if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from what git has, so that nothing of this machine gets in."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheel"))
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", target, "."]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (made,) = target.glob("*.whl")
    return made


def test_it_holds_the_lessons_and_what_they_read_and_no_test(wheel):
    inside = {name.removeprefix("minirlhf/shipped/") for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in inside if name.split("/")[0] in ("data", "notebooks")} == tracked("data", "notebooks")
    assert not [name for name in inside if "tests/" in name or "my_lessons" in name or "__pycache__" in name]
    assert wheel.stat().st_size < 15e6


def test_a_learner_who_has_only_the_wheel_begins_where_they_are(wheel, tmp_path):
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    own = {name: value for name, value in os.environ.items() if not name.startswith("MINIRLHF_")}
    own |= {"PYTHONPATH": str(site), "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    program = f"import os; site = {str(site)!r}\n{LEARNER}"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=here, env=own, check=True, capture_output=True, text=True
    )
    assert {"00_start_here.ipynb", "own_data.ipynb", "votes.db", ".shipped.json"} <= set(told.stdout.split())
