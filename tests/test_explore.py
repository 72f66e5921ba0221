"""Sliders above a picture, without a browser: moving one draws anew, and no mistake of a draw function stops them."""

import os
import re
from base64 import b64decode
from pathlib import Path
from threading import Thread

import pytest
import torch
from ipywidgets import HTML, Button, Dropdown
from kernel_client import running_kernel

from minirlhf.course.plots import TokenStrip, explore
from minirlhf.course.plots.explorer import Slider
from minirlhf.course.plots.style import headline, new_figure

HOSTILE = "<script>alert('taken')</script>"


def place(explored):
    """What stands below the sliders."""
    return explored.children[-1]


def move(explored, name, index):
    """What a slider in the browser sends."""
    explored.sliders[name].set_state({"index": index})


def times(a, b=10):
    return f"{a} × {b} = {a * b}"


def picture(size):
    figure = new_figure(2.0, 1.0)
    headline(figure, f"size {size}")
    figure.add_subplot().plot([0, size], [0, 1])
    return figure


def png(explored):
    source = re.search('src="data:image/png;base64,([^"]*)"', place(explored).value)
    assert source
    return b64decode(source[1])


def test_it_draws_at_once_and_whenever_a_slider_moves():
    explored = explore(times, a=[1, 2, 3], b=[10, 20], start={"a": 3})
    assert explored.values == {"a": 3, "b": 10}
    assert "3 × 10 = 30" in place(explored).value
    move(explored, "a", 1)
    move(explored, "b", 1)
    assert explored.values == {"a": 2, "b": 20}
    assert "2 × 20 = 40" in place(explored).value
    assert explored.shown == "2 × 20 = 40"


def test_a_slider_stands_in_the_middle_unless_told_otherwise():
    assert explore(times, a=[1, 2, 3], b=range(4)).values == {"a": 2, "b": 1}


def test_the_plain_twin_moves_sliders_and_draws_once():
    calls = []
    explored = explore(lambda a, b: calls.append((a, b)) or "drawn", a=[1, 2], b=[1, 2])
    explored.set(a=2, b=2)
    assert calls == [(1, 1), (2, 2)]
    assert [slider.index for slider in explored.sliders.values()] == [1, 1]
    explored.set()
    assert calls[-1] == (2, 2), "set() alone draws anew"


def test_a_figure_is_shown_as_the_picture_it_is():
    explored = explore(picture, size=[1, 2])
    before = png(explored)
    assert before.startswith(b"\x89PNG")
    assert 'width="200" height="100"' in place(explored).value
    assert 'alt="size 1"' in place(explored).value
    explored.set(size=2)
    assert png(explored) != before


def test_what_has_an_html_form_is_shown_in_it_and_a_text_as_a_text():
    class Table:
        def _repr_html_(self):
            return "<table></table>"

    explored = explore(lambda x: Table() if x else HOSTILE, x=[False, True])
    assert "&lt;script&gt;" in place(explored).value
    assert "<script" not in place(explored).value
    explored.set(x=True)
    assert place(explored).value == "<table></table>"


def test_a_widget_is_shown_as_itself():
    explored = explore(lambda x: Button(description=str(x)) if x else "none", x=[0, 1])
    assert isinstance(place(explored), HTML)
    explored.set(x=1)
    assert place(explored).description == "1"
    explored.set(x=0)
    assert isinstance(place(explored), HTML)


def test_a_strip_keeps_its_place_and_what_was_chosen_in_it():
    explored = explore(lambda x: TokenStrip("ab", {"one": [x, x], "two": [x, x]}, "ab"), x=[1, 2])
    strip = place(explored)
    strip.choose(1)
    strip.shade("two")
    move(explored, "x", 1)
    assert place(explored) is strip is explored.shown
    assert (strip.chosen, strip.shading) == (1, "two")
    assert strip.view["shades"][0]["labels"] == ["2", "2"]


def test_an_error_is_shown_and_one_can_go_on_from_it():
    explored = explore(lambda x: 1 / x, x=[0, 1, HOSTILE], start={"x": 0})
    assert isinstance(explored.error, ZeroDivisionError)
    assert "draw(x=0) stopped" in place(explored).value
    assert "ZeroDivisionError: division by zero" in place(explored).value
    assert 'role="alert"' in place(explored).value
    assert "ZeroDivisionError" in repr(explored)
    move(explored, "x", 1)
    assert explored.error is None
    assert explored.shown == 1.0
    move(explored, "x", 2)
    assert "<script" not in place(explored).value


def test_a_draw_that_returns_nothing_is_told_so():
    assert "end it with: return figure" in place(explore(lambda x: None, x=[1])).value


def test_a_slider_may_move_on_another_thread():
    explored = explore(picture, size=[1, 2, 3])
    before = png(explored)
    thread = Thread(target=move, args=(explored, "size", 2))
    thread.start()
    thread.join()
    assert png(explored) != before


def test_long_texts_are_chosen_from_a_list():
    """A slider shows a value beside itself, where there is room for a word or two."""
    explored = explore(lambda x: x.upper(), x=["My lamp is late. Thank you for nothing!", "Hi"])
    assert isinstance(explored.sliders["x"], Dropdown)
    move(explored, "x", 1)
    assert explored.shown == "HI"
    assert isinstance(explore(lambda x: x, x=["Hi", "No"]).sliders["x"], Slider)


def test_a_slider_has_a_name_and_tells_the_value_that_it_stands_for():
    slider = explore(lambda lam, votes_cast: "", lam=[0.5, 2.0], votes_cast=[60, 600]).sliders
    assert [each.name for each in slider.values()] == ["λ", "votes cast"]
    assert slider["lam"].labels == ["0.5", "2"] and slider["votes_cast"].labels == ["60", "600"]


def test_a_position_that_is_none_of_them_is_the_nearest():
    explored = explore(times, a=[1, 2, 3])
    move(explored, "a", 99)
    assert explored.values == {"a": 3}


def test_values_of_any_kind():
    explored = explore(lambda x: repr(x), x=["a b", None, 0.25, True])
    for value in ("a b", None, 0.25, True):
        explored.set(x=value)
        assert explored.shown == repr(value)
    assert explore(lambda x: x, x=torch.tensor([0.5, 2.0])).values == {"x": 0.5}


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: explore(times), "needs a slider"),
        (lambda: explore(times, a=[]), "nothing to choose from for a"),
        (lambda: explore(times, a=1.0), "a needs a list of values"),
        (lambda: explore(times, a="one"), "a needs a list of values"),
        (lambda: explore(times, a=[1], c=[1]), r"times\(a, b=10\) cannot be called with a, c"),
        (lambda: explore(times, b=[1]), "cannot be called with b: missing a required argument"),
        (lambda: explore(times, a=[1, 2], start={"a": 3}), "a cannot be 3; choose one of 1, 2"),
        (lambda: explore(times, a=[1, 2], start={"b": 3}), "no slider 'b'; there are: a"),
        (lambda: explore(times, a=[1, 2]).set(a=3), "a cannot be 3; choose one of 1, 2"),
        (lambda: explore(times, a=[1, 2]).set(b=3), "no slider 'b'; there are: a"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(act, says):
    with pytest.raises(ValueError, match=says):
        act()


def test_a_page_without_scripts_shows_the_start():
    bundle = explore(picture, size=[1, 2], start={"size": 2})._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "data:image/png;base64," in bundle["text/html"]
    assert "size: 2" in bundle["text/html"]
    assert "draw(size=2) is shown" in bundle["text/plain"]
    strip = explore(lambda x: TokenStrip(["ab"], {"one": [x]}, [""]), x=[1, 2])._repr_mimebundle_()
    assert ">ab<" in strip["text/html"]


# In a kernel. Which thread a slider's message arrives on differs between these versions: see test_kernels.py.

FETCHED = Path(__file__).resolve().parents[1] / ".kernels"
CELL = """
from minirlhf import explore
explored = explore(lambda x, broken: f"x is {1 / (1 - broken) * x:.0f}", x=[1, 2, 3, 4], broken=[0, 1], start={"x": 1})
print(explored.sliders["x"].model_id, explored.sliders["broken"].model_id, explored.children[-1].model_id)
"""
BUSY = "print('busy')\nopen({door!r}).read()\nprint('over')"


@pytest.mark.kernels
@pytest.mark.parametrize("version", ["6.31.0", "7.3.0", "7.4.0"])
def test_a_slider_moves_in_every_kernel_and_on_every_queue(version, tmp_path):
    folder = FETCHED / version
    assert (folder / "ready").is_file(), "Other versions of ipykernel are fetched by: make kernels"
    with running_kernel(PYTHONPATH=str(folder)) as kernel:
        x, broken, place = kernel.run(CELL)[0].split()
        subshell = None if version.startswith("6") else kernel.new_subshell()

        def move(slider, index, shows, queue=None):
            """What the page sends when a slider moves; wait until the place below shows this."""
            data = {"method": "update", "state": {"index": index}, "buffer_paths": []}
            message = kernel.client.session.msg("comm_msg", {"comm_id": slider, "data": data})
            if queue:
                message["header"]["subshell_id"] = queue
            since = len(kernel.heard)
            kernel.client.shell_channel.send(message)

            def shown(heard):
                content = heard["content"]
                return content.get("comm_id") == place and shows in content["data"].get("state", {}).get("value", "")

            kernel.hear(shown, since)

        for queue in (None, subshell, subshell, None):
            move(x, 1, "x is 2", queue)
            move(broken, 1, "draw(x=2, broken=1) stopped", queue)
            move(broken, 0, "x is 2", queue)
            move(x, 3, "x is 4", queue)
        if subshell:  # a cell that runs keeps no slider waiting, once the slider has been heard of on this queue
            move(x, 2, "x is 3", subshell)
            os.mkfifo(tmp_path / "door")
            cell = kernel.start(BUSY.format(door=str(tmp_path / "door")))
            assert next(kernel.printed(cell)) == "busy"
            move(x, 0, "x is 1", subshell)
            (tmp_path / "door").write_text("")
            kernel.await_reply(cell)
        assert kernel.run("print(explored.values)") == [
            "{'x': 1, 'broken': 0}" if subshell else "{'x': 4, 'broken': 0}"
        ]
