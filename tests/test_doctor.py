"""The doctor finds what is wrong, says what to do, and trusts nothing that it has not tried."""

import importlib.metadata
import os
import shutil
import sys

import pytest
import torch

from minirlhf import paths
from minirlhf.course import cli, doctor
from minirlhf.course.doctor import Finding
from minirlhf.machine.runtime import ON_HUB, WAITING

GOOD = {"jupyterlab": (4, 6, 6), "ipywidgets": (8, 1, 9), "jupyterlab_widgets": (3, 0, 17), "ipykernel": (7, 4, 0)}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Nobody else is at work here, and threads that wait sleep."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5))
    monkeypatch.setenv(WAITING, "PASSIVE")


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_this_installation_is_fit():
    """Everything but the shipped data, which has tests of its own."""
    found = by_name(doctor.findings())
    assert not [f for f in found.values() if not f.ok and f.name not in (*doctor.SHIPPED, "data")]
    assert found["torch"].found == importlib.metadata.version("torch")


def test_pairs_that_work_are_not_reported():
    assert not list(doctor.bad_pairs(GOOD))
    assert not list(doctor.bad_pairs(GOOD | {"ipykernel": (6, 31, 0)}))
    assert not list(doctor.bad_pairs(GOOD | {"ipywidgets": (7, 8, 1), "jupyterlab_widgets": (1, 1, 7)}))
    assert not list(doctor.bad_pairs({})), "what is missing has been said already"


@pytest.mark.parametrize(
    "installed",
    [
        {"jupyterlab_widgets": (1, 1, 7)},
        {"ipywidgets": (7, 8, 1)},
        {"jupyterlab": (3, 6, 8)},
        {"ipykernel": (7, 3, 0)},
        {"ipykernel": (6, 30, 0)},
    ],
)
def test_each_bad_pair_is_reported_with_its_remedy(installed):
    found = list(doctor.bad_pairs(GOOD | installed))
    assert len(found) == 1
    assert not found[0].ok
    assert "pip install" in found[0].remedy


@pytest.mark.parametrize(
    "version, release",
    [("8.1.9", (8, 1, 9)), ("2.13.0+cpu", (2, 13, 0)), ("4.7.0rc1", (4, 7)), ("7", (7,)), ("unknown", ())],
)
def test_versions_are_read_as_numbers(version, release):
    assert doctor._release(version) == release


def test_a_missing_package_is_a_finding(monkeypatch):
    monkeypatch.setattr(doctor, "WIDGETS", ("a_package_that_nobody_has",))
    missing = by_name(doctor.packages())["a_package_that_nobody_has"]
    assert (missing.ok, missing.found) == (False, "not installed")


@pytest.fixture
def two_cores(monkeypatch):
    """A laptop with two cores, to nobody's quota."""
    monkeypatch.delenv(ON_HUB, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 2.0)


def test_more_threads_than_a_quota_has_cores_for_are_reported(two_cores, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert by_name(doctor.threads())["threads"].ok
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 1.2)
    monkeypatch.setattr(doctor, "thread_count", lambda: 1)
    found = by_name(doctor.threads())["threads"]
    assert not found.ok
    assert "OMP_NUM_THREADS to 1" in found.remedy


def test_threads_that_spin_on_few_cores_are_reported(two_cores, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert by_name(doctor.threads())["threads that wait"].ok
    monkeypatch.delenv(WAITING)
    spinning = by_name(doctor.threads())["threads that wait"]
    assert not spinning.ok
    assert f"{WAITING}=PASSIVE" in spinning.remedy
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 16.0)
    assert by_name(doctor.threads())["threads that wait"].ok, "there are cores for everybody"


def test_more_work_than_cores_is_reported(two_cores, monkeypatch):
    assert all(finding.ok for finding in doctor.load())
    monkeypatch.setattr(os, "getloadavg", lambda: (4.2, 2.0, 1.0))
    (busy,) = doctor.load()
    assert not busy.ok
    assert "kernel" in busy.remedy


def test_a_system_that_measures_no_load_is_fit(monkeypatch):
    monkeypatch.delattr(os, "getloadavg")
    assert not list(doctor.load())


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one good text and one good checkpoint, for breaking."""
    from safetensors.torch import save_file
    from torch import ones

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prompts.jsonl").write_text('{"prompt": "hello"}\n')
    save_file({"weight": ones(3)}, tmp_path / "data" / "model.safetensors")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.setattr(doctor, "SHIPPED", {"texts": ("prompts.jsonl",), "checkpoints": ("model.safetensors",)})
    return tmp_path


def test_all_that_is_shipped_is_looked_for_and_is_there():
    """By name: pictures by one of each folder."""
    shipped, looked_for = paths.data_folder(), {name for names in doctor.SHIPPED.values() for name in names}
    kinds = [*shipped.glob("*.jsonl"), *shipped.glob("checkpoints/*/*.*"), *shipped.glob("recorded/*.json")]
    there = {path.relative_to(shipped).as_posix() for path in kinds}
    assert there == {name for name in looked_for if not name.startswith("sprites")}
    assert all(finding.ok for finding in doctor.data())


@pytest.mark.parametrize("kind", doctor.SHIPPED)
def test_what_is_missing_is_named_whatever_it_is(kind, tmp_path, monkeypatch):
    whole, part = paths.data_folder(), tmp_path / "data"
    part.mkdir()
    *rest, gone = doctor.SHIPPED[kind]
    for name in rest:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).symlink_to(whole / name)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    found = by_name(doctor.data())[kind]
    assert not found.ok and gone in found.found and not any(name in found.found for name in rest)
    assert "git checkout data" in found.remedy


def test_votes_in_a_file_are_not_worth_a_line(monkeypatch):
    for where in ("", "votes.db", "sqlite:///votes.db"):
        monkeypatch.setenv(paths.VOTES_ELSEWHERE, where)
        assert not list(doctor.votes())


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("postgresql+a_driver_that_nobody_has://x/y", "a_driver_that_nobody_has"),
        ("postgresql+psycopg://anna:secret@127.0.0.1:1/votes", "127.0.0.1"),
        ("nonsense://", "nonsense"),
    ],
)
def test_a_server_that_cannot_keep_votes_is_found_before_anybody_votes(monkeypatch, where, named):
    monkeypatch.setenv(paths.VOTES_ELSEWHERE, where)
    (found,) = doctor.votes()
    assert not found.ok and named in found.found and "secret" not in found.found
    assert paths.VOTES_ELSEWHERE in found.remedy


def test_a_driver_that_is_not_installed_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setenv(paths.VOTES_ELSEWHERE, "postgresql+psycopg://anna:secret@127.0.0.1:1/votes")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (found,) = doctor.votes()
    assert not found.ok and "psycopg" in found.found and "secret" not in found.found
    assert "pip install 'psycopg[binary]'" in found.remedy


def test_good_data_is_fit(repository):
    assert all(finding.ok for finding in doctor.data())


def test_a_truncated_checkpoint_is_named(repository):
    path = repository / "data" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    found = by_name(doctor.data())["checkpoints"]
    assert not found.ok
    assert "model.safetensors" in found.found
    assert "minirlhf checkpoints" in found.remedy


@pytest.mark.parametrize("content", ["", "not JSON\n", '["no", "columns"]\n'])
def test_a_broken_text_is_named(repository, content):
    (repository / "data" / "prompts.jsonl").write_text(content)
    found = by_name(doctor.data())["texts"]
    assert not found.ok
    assert "prompts.jsonl" in found.found


def test_an_empty_data_folder_is_a_finding(repository):
    for path in (repository / "data").iterdir():
        path.unlink()
    assert not any(finding.ok for finding in doctor.data())


def test_a_folder_that_cannot_be_made_is_a_finding(repository):
    (repository / "runs").write_text("a file where the folder should be")
    found = by_name(doctor.folders())
    assert found["folder my_lessons"].ok
    assert not found["folder runs"].ok


def test_a_check_that_breaks_is_a_finding_and_the_rest_goes_on(repository):
    shutil.rmtree(repository / "data")
    found = by_name(doctor.findings())
    assert "make lessons" in found["data"].found
    assert "disk space" in found


def test_the_report_shows_a_remedy_where_one_is_needed(capsys):
    fit, unfit = Finding("legs", True, "two"), Finding("eyes", False, "closed", "open them")
    assert doctor.report([fit])
    assert "All is well" in capsys.readouterr().out
    assert not doctor.report([fit, unfit])
    assert "-> open them" in capsys.readouterr().out


def test_in_a_notebook_it_prints_and_returns_nothing(capsys):
    assert doctor.doctor() is None
    assert "a training step" in capsys.readouterr().out


def test_the_command_ends_with_1_when_something_must_be_mended(repository, capsys):
    assert cli.main(["doctor"]) == 0
    (repository / "data" / "model.safetensors").write_bytes(b"no checkpoint")
    assert cli.main(["doctor"]) == 1
    assert "To mend: 1" in capsys.readouterr().out
