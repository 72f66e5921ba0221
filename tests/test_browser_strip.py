"""Sliders and the token strip in a real JupyterLab: by mouse, by keyboard, in both themes, on a narrow screen."""

import os
import re

import pytest
from lab import THEMES, Reader, running_lab
from playwright.sync_api import expect
from test_notebooks import WIDEST_LINE

from minirlhf.course.plots import style

pytestmark = pytest.mark.browser

SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a folder, for people who want to look
ATTACK = "<img src=x onerror=\"document.title='taken'\">"
MICROSCOPE = """
from minirlhf import TokenStrip
said = "We will wash it today . It costs you nothing at all ."
pieces = ["Hello", " there", "\\n"] + [" " + word for word in said.split()]
pushes = [0.4, -0.2, 1.3, 0.1, 0.7, 0.0, -0.3, -1.6, -0.2, 0.5, 0.9, 0.1, 0.6]
def microscope(lam):
    advantages = [None] * 3 + [lam * push for push in pushes]
    shades = {"advantage": advantages, "response": [False] * 3 + [True] * 13,
              "probability": [None] * 3 + [0.1 + k / 20 for k in range(13)]}
    details = ["prompt: not learned from"] * 3
    details += [f"advantage = {lam} x {push}\\n          = {lam * push:.2f}" for push in pushes]
    return TokenStrip(pieces, shades, details, title="One reply", notes={"advantage": "better than expected"})
strip = microscope(1.0)
strip
"""
SLIDERS = """
from minirlhf import explore
from minirlhf.course.plots.style import dress, headline, new_figure
def draw(temperature, customer):
    figure = new_figure(6.0, 2.5)
    headline(figure, f"temperature {temperature}, customer {customer}")
    ax = dress(figure.add_subplot(), "", "piece", "probability")
    ax.bar(range(4), [(1 + k) ** (customer / temperature) / 9 for k in range(4)])
    return figure
explored = explore(draw, temperature=[0.5, 1.0, 2.0, 4.0], customer=[1, 2, 3], start={"temperature": 1.0})
explored
"""
BOTH = """
both = explore(microscope, lam=[0.5, 1.0, 2.0])
both
"""
ATTACKED = f"""
TokenStrip([{ATTACK!r}], {{{ATTACK!r}: [1.0], "x": [0.0]}}, [{ATTACK!r}], title="attack", notes={{"x": {ATTACK!r}}})
"""
BROKEN = "explore(lambda x: 1 / x, x=[0, 1], start={'x': 0})"


def show(reader, name, *cells):
    reader.open(reader.lab.write(f"{name}.ipynb", *cells))
    reader.run_all()


class Strip:
    """A strip on the screen."""

    def __init__(self, reader, title="One reply"):
        self.page = reader.page
        self.card = self.page.get_by_role("region", name=title)
        expect(self.card).to_be_visible(timeout=20_000)
        self.panel = self.card.locator(".ts-panel")

    def token(self, i):
        return self.card.get_by_role("option").nth(i)

    def shade(self, name):
        return self.card.get_by_role("radio", name=name, exact=True)

    def selects(self, *places):
        """These tokens are the chosen ones, and no other is."""
        expect(self.card.get_by_role("option", selected=True)).to_have_count(len(places))
        for i in places:
            expect(self.token(i)).to_have_attribute("aria-selected", "true")


def ask(reader, question):
    """What Python says to a question, put as a cell of its own."""
    reader.page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
    reader.page.keyboard.press("Control+a")
    reader.page.keyboard.insert_text(f"print('answer:', {question})")
    reader.page.keyboard.press("Control+Enter")
    return reader.page.get_by_text(re.compile("^answer: ")).last


def test_the_strip_by_mouse(reader):
    show(reader, "mouse", MICROSCOPE, "0")
    strip = Strip(reader)
    expect(strip.panel).to_contain_text("advantage = 1.0 x 0.4")  # the first token that counts
    strip.token(5).hover()
    expect(strip.panel).to_contain_text("advantage = 1.0 x 1.3")
    strip.token(0).hover()
    expect(strip.panel).to_contain_text("prompt: not learned from")
    strip.selects()
    strip.token(10).click()
    strip.selects(10)
    strip.token(4).hover()
    expect(strip.panel).to_contain_text("advantage = 1.0 x -0.2")
    reader.page.mouse.move(5, 5)
    expect(strip.panel).to_contain_text("advantage = 1.0 x -1.6")  # the chosen one again
    places = [token.bounding_box() for token in strip.card.get_by_role("option").all()]
    strip.shade("response").click()
    expect(strip.shade("response")).to_be_checked()
    expect(strip.shade("advantage")).not_to_be_checked()
    expect(strip.panel).to_contain_text("response: yes")
    assert [token.bounding_box() for token in strip.card.get_by_role("option").all()] == places, "no token moves"
    expect(ask(reader, "strip.chosen, strip.shading")).to_have_text("answer: 10 response")


def test_the_strip_by_keyboard(reader):
    show(reader, "keyboard", MICROSCOPE, "0")
    strip = Strip(reader)
    strip.shade("advantage").focus()
    strip.page.keyboard.press("Tab")
    expect(strip.token(3)).to_be_focused()
    for key, i in {"ArrowRight": 4, "End": 15, "ArrowLeft": 14, "Home": 0, "Enter": 0}.items():
        strip.page.keyboard.press(key)
        expect(strip.token(i)).to_be_focused()
        strip.selects(i)
    strip.token(10).click()
    expect(strip.token(10)).to_have_attribute("aria-label", "costs, −1.60")
    expect(strip.card.get_by_role("status")).to_contain_text("advantage = 1.0 x -1.6")
    strip.page.keyboard.press("Escape")
    strip.selects()
    strip.page.keyboard.press("Shift+Tab")
    expect(strip.shade("advantage")).to_be_focused()
    strip.page.keyboard.press("ArrowRight")
    expect(strip.shade("response")).to_be_checked()
    expect(strip.shade("response")).to_be_focused()


def test_plain_keys_are_the_strips_and_saving_is_jupyterlabs(reader):
    show(reader, "keys", MICROSCOPE, "0")
    strip = Strip(reader)
    strip.token(5).click()
    for key in ("a", "b", "x", "m", "ArrowDown", "j", "d", "d"):  # shortcuts that add, cut or change cells
        strip.page.keyboard.press(key)
    expect(strip.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(2)
    expect(strip.token(5)).to_be_focused()
    with strip.page.expect_response(lambda r: r.request.method == "PUT" and "keys.ipynb" in r.url):
        strip.page.keyboard.press("Control+s")


def test_code_moves_the_strip(reader):
    show(reader, "code", MICROSCOPE, "strip.choose(12)", "strip.shade('probability')")
    strip = Strip(reader)
    expect(strip.shade("probability")).to_be_checked()
    strip.selects(12)


def test_a_hostile_text_is_only_text(reader):
    show(reader, "hostile", MICROSCOPE, ATTACKED)
    strip = Strip(reader, "attack")
    expect(strip.token(0)).to_contain_text("<img")
    expect(strip.panel).to_contain_text("<img")
    strip.shade("x").click()
    expect(strip.card.locator(".ts-legend")).to_contain_text("<img")
    assert strip.card.locator("img, script").count() == 0
    assert "taken" not in reader.page.title()


def test_a_slider_by_keyboard_draws_anew(reader):
    show(reader, "sliders", SLIDERS, "0")
    picture = reader.page.get_by_role("img", name=re.compile("^temperature"))
    expect(picture).to_have_attribute("alt", "temperature 1.0, customer 2")
    before, height = picture.get_attribute("src"), picture.bounding_box()["height"]
    handle = reader.page.locator(".minirlhf-slider input").first
    handle.focus()
    reader.page.keyboard.press("ArrowRight")
    expect(picture).to_have_attribute("alt", "temperature 2.0, customer 2")
    assert picture.get_attribute("src") != before
    assert picture.bounding_box()["height"] == height
    for _ in range(2):
        reader.page.keyboard.press("ArrowRight")
    expect(picture).to_have_attribute("alt", "temperature 4.0, customer 2")
    expect(handle).to_be_focused()
    expect(ask(reader, "explored.values")).to_have_text("answer: {'temperature': 4.0, 'customer': 2}")


def test_a_slider_has_a_name_and_tells_its_value(reader):
    show(reader, "named", SLIDERS, "0")
    slider = reader.page.get_by_role("slider", name="temperature")
    expect(slider).to_have_attribute("aria-valuetext", "1")
    slider.focus()
    for key in ("ArrowRight", "a", "b", "d", "d"):  # letters are JupyterLab's shortcuts, and not meant for it now
        reader.page.keyboard.press(key)
    expect(slider).to_have_attribute("aria-valuetext", "2")
    expect(reader.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(2)


def test_a_figure_tells_its_title_to_who_does_not_see_it(reader):
    live = "with plots.LivePlot(lambda _: plots.pipeline_map()) as board:\n    board.add(1)"
    show(reader, "alone", "from minirlhf import plots\nplots.four_models()", live)
    expect(reader.page.get_by_role("img", name="Four models")).to_be_visible()
    expect(reader.page.get_by_role("img", name="How people tune a language model")).to_be_visible()
    assert reader.page.locator(".jp-OutputArea img:not([alt])").count() == 0


def test_a_lesson_that_is_only_opened_has_not_changed_and_its_kernel_goes_with_its_tab(reader):
    with reader.page.expect_response(lambda r: r.request.method == "POST" and "/api/sessions" in r.url):
        reader.open("00_start_here.ipynb")
    expect(reader.page.get_by_text("| Idle")).to_be_visible()
    tab = reader.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.lm-mod-current")
    expect(tab).to_contain_text("00_start_here")
    assert "jp-mod-dirty" not in (tab.get_attribute("class") or "")
    with reader.page.expect_response(lambda r: r.request.method == "DELETE" and "/api/sessions/" in r.url):
        tab.locator(".lm-TabBar-tabCloseIcon").click()
    expect(reader.page.locator(".jp-Dialog")).to_have_count(0)


def test_a_word_is_looked_up_without_a_kernel_and_the_first_time_too(reader):
    lesson = "04_asking_people.ipynb"
    reader.open(lesson)
    asked = []  # of whom a kernel was asked for; the lesson's own may be late on a busy machine

    def note(request):
        if "/api/sessions" in request.url and request.method == "POST":
            asked.append(request.post_data_json["path"])

    reader.page.on("request", note)
    reader.page.locator(".jp-Notebook a[href*='glossary.md']", has_text="reward model").first.click()
    expect(reader.page.locator(".jp-MarkdownViewer h3", has_text="reward model")).to_be_in_viewport()
    assert not [path for path in asked if not path.endswith(lesson)]


def keeps_the_side_bar_open(request):
    """Whether JupyterLab writes down that the list of files is open."""
    if request.method != "PUT" or "/api/workspaces/" not in request.url:
        return False
    return not request.post_data_json["data"]["layout-restorer:data"]["left"]["collapsed"]


def test_the_lesson_has_the_width_at_first_and_then_what_the_learner_gives_it(chromium, tmp_path):
    with running_lab(tmp_path) as lab:
        reader = Reader(chromium, lab, width=1024, height=700)
        files = reader.page.locator("#filebrowser")
        reader.open(lab.write("wide.ipynb", f"{'m' * (WIDEST_LINE - 4)} = 1"), anew=False)
        expect(files).to_be_hidden()
        assert reader.page.locator(".jp-Notebook .cm-scroller").evaluate("code => code.scrollWidth <= code.clientWidth")
        with reader.page.expect_response(lambda r: keeps_the_side_bar_open(r.request)):
            reader.page.get_by_role("tab", name=re.compile("File Browser")).click()
        expect(files).to_be_visible()
        reader.open("wide.ipynb", anew=False)
        expect(files).to_be_visible()
        reader.page.close()


def test_a_slow_drawing_ends_where_the_slider_stands(reader):
    slow = "import time\ndef slow(x):\n    time.sleep(0.3)\n    calls.append(x)\n    return f'x is {x}'\n"
    show(reader, "slow", f"{SLIDERS}\n{slow}calls = []\nexplore(slow, x=range(20), start={{'x': 0}})", "0")
    handle = reader.page.locator(".minirlhf-slider input").last
    handle.focus()
    for _ in range(19):
        reader.page.keyboard.press("ArrowRight")
    expect(reader.page.get_by_text("x is 19")).to_be_visible()
    answer = ask(reader, "len(calls) < 15")
    expect(answer).to_have_text("answer: True")  # what was passed by quickly was never drawn


def test_a_slider_moves_while_a_cell_runs(reader):
    show(reader, "busy", SLIDERS, "explored.set(temperature=0.5)", "0")
    picture = reader.page.get_by_role("img", name=re.compile("^temperature"))
    reader.page.locator(".minirlhf-slider input").first.focus()
    reader.page.keyboard.press("ArrowRight")
    expect(picture).to_have_attribute("alt", "temperature 1.0, customer 2")
    ask(reader, "__import__('time').sleep(3) or 'slept'")
    reader.page.locator(".minirlhf-slider input").first.focus()
    reader.page.keyboard.press("End")
    expect(picture).to_have_attribute("alt", "temperature 4.0, customer 2")
    expect(reader.page.get_by_text("answer: slept")).to_be_visible()


def test_an_error_is_shown_and_one_can_go_on_from_it(reader):
    show(reader, "broken", SLIDERS, BROKEN)
    expect(reader.page.get_by_role("alert")).to_contain_text("draw(x=0) stopped. ZeroDivisionError")
    reader.page.locator(".minirlhf-slider input").last.focus()
    reader.page.keyboard.press("ArrowRight")
    expect(reader.page.get_by_role("alert")).to_have_count(0)
    expect(reader.page.locator(".jp-OutputArea-output").last).to_contain_text("1.0")


def test_a_strip_below_a_slider_keeps_what_was_chosen(reader):
    show(reader, "both", SLIDERS, MICROSCOPE.replace("\nstrip\n", "\n"), BOTH)
    strip = Strip(reader)
    strip.token(5).click()
    reader.page.locator(".minirlhf-slider input").last.focus()
    reader.page.keyboard.press("ArrowRight")
    expect(strip.panel).to_contain_text("advantage = 2.0 x 1.3")
    strip.selects(5)
    strip.token(6).click()
    expect(strip.panel).to_contain_text("advantage = 2.0 x 0.1")


def test_the_strip_fits_a_narrow_screen(chromium, lab):
    reader = Reader(chromium, lab, width=420, height=1000)
    show(reader, "narrow", MICROSCOPE, SLIDERS)
    reader.page.keyboard.press("Control+b")  # JupyterLab's own side bar takes most of such a screen
    strip = Strip(reader)
    assert strip.card.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    strip.token(14).click()
    expect(strip.panel).to_contain_text("advantage = 1.0 x 0.1")
    reader.look(SCREENSHOTS, "strip-narrow")
    reader.page.close()


def test_strips_and_figures_are_white_paper_and_a_dark_theme_lowers_the_light_on_it(reader):
    show(reader, "themes", MICROSCOPE, SLIDERS, BROKEN, "draw(2.0, 1)")
    strip = Strip(reader)
    strip.token(5).click()
    look = "card => [getComputedStyle(card).backgroundColor, getComputedStyle(card).color]"
    for theme, name in [*THEMES.items(), ("light", THEMES["light"])]:
        reader.page.get_by_role("menubar").get_by_role("menuitem", name="Settings", exact=True).click()
        for entry in ("Theme", name):
            reader.page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()
        is_light = "true" if theme == "light" else "false"
        expect(reader.page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)
        assert strip.card.evaluate(look) == ["rgb(255, 255, 255)", "rgb(34, 34, 34)"]
        figures = reader.page.get_by_role("img", name=re.compile("^temperature"))
        expect(figures).to_have_count(2)  # below the sliders, and alone
        for sheet in [strip.card, *figures.all(), reader.page.get_by_role("alert")]:
            expect(sheet).to_have_css("filter", "none" if theme == "light" else f"brightness({style.DIM})")
        assert strip.token(15).evaluate(look)[1] == "rgb(0, 0, 0)"
        strip.card.evaluate("card => card.scrollIntoView({block: 'start'})")
        strip.token(10).hover()
        expect(strip.panel).to_contain_text("advantage = 1.0 x -1.6")
        reader.look(SCREENSHOTS, f"strip-{theme}")
