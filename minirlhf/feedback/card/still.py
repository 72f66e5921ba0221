"""The card as a picture of itself: HTML that needs no script, for a book, slides, or a page that shows notebooks.

It shows the question that is asked and what could be pressed, and says where one can answer.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

CAPTION = "A still of the feedback card. In the notebook you answer here."
CONTROLS = {  # what is pressed, by what is asked
    "pair": ("Tie", "Both bad"),
    "thumbs": ("It will do", "It will not do"),
    "stars": ("★ 1", "★ 2", "★ 3", "★ 4", "★ 5"),
    "ranking": ("Submit order",),
    "correction": ("Submit reply",),
    "demonstration": ("Submit reply",),
}
LINE = "border:1px solid #c5cad0"
CARD = (
    f"box-sizing:border-box;max-width:960px;margin:4px 0;padding:16px 20px;{LINE};border-radius:14px;"
    "background:#fff;color:#1c1e21;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere"
)
PROMPT = "margin:12px 0;padding:2px 0 2px 16px;border-left:4px solid #c5cad0"
REPLIES = "display:flex;flex-wrap:wrap;gap:12px;margin:12px 0"
REPLY = f"flex:1 1 220px;padding:12px 14px;{LINE};border-radius:12px"
LETTER = "font-weight:700;margin-right:8px"
BUTTON = f"display:inline-block;margin:8px 8px 0 0;padding:6px 14px;{LINE};border-radius:9px"
MAIN = BUTTON + ";border-color:#0072b2;background:#0072b2;color:#fff;font-weight:600"
FIELD = f"margin:12px 0;padding:12px 14px;min-height:48px;{LINE};border-radius:10px;color:#5a6068"
BANNER = "margin:12px 0;padding:8px 14px;border:2px solid #d55e00;border-radius:10px;font-weight:600"
QUIET = "color:#5a6068;font-size:13px"


def still(view: Mapping[str, Any]) -> str:
    """What a session shows (its `view`) as HTML; texts of models and people are only ever text in it."""
    top = (
        f'<div style="display:flex;justify-content:space-between"><b>{escape(view["title"])}</b>'
        f'<span style="{QUIET}">{view["answered"]} of {view["total"]}</span></div>'
    )
    if view["banner"]:
        top += f'<div style="{BANNER}">{escape(view["banner"])}</div>'
    asked = "".join(_question(view)) if view["question"] else f"<p>All {view['total']} answered.</p>"
    return (
        f'<figure class="minirlhf-paper" style="{CARD}" aria-label="{escape(CAPTION)}">{top}{asked}'
        f'<figcaption style="margin-top:12px;{QUIET}">{CAPTION}</figcaption></figure>'
    )


def _question(view: Mapping[str, Any]) -> Iterable[str]:
    mode = view["mode"]
    yield f'<div style="margin-top:12px;font-size:19px;font-weight:600">{escape(view["task"])}</div>'
    who = f'<div style="{QUIET}">{escape(view["asked_by"])}</div>'
    yield f'<div style="{PROMPT}">{who}{_text(view["prompt"])}</div>'
    if view["replies"]:
        lettered = len(view["replies"]) > 1
        yield f'<div style="{REPLIES}">{"".join(_replies(view["replies"], lettered, mode == "pair"))}</div>'
    if mode in ("correction", "demonstration"):
        yield f'<div style="{FIELD}">Write here</div>'
    yield f"<div>{''.join(_button(words) for words in (*CONTROLS[mode], 'Skip'))}</div>"


def _replies(replies: Iterable[str], lettered: bool, chosen_from: bool) -> Iterable[str]:
    for letter, reply in zip("ABCDEFGHI", replies, strict=False):
        name = f'<span style="{LETTER}">{letter}</span>' if lettered else ""
        choose = f"<div>{_button(f'{letter} is better', MAIN)}</div>" if chosen_from else ""
        yield f'<div style="{REPLY}">{name}{_text(reply.strip())}{choose}</div>'


def _text(words: str) -> str:
    return f'<span style="white-space:pre-wrap">{escape(words)}</span>'


def _button(words: str, look: str = BUTTON) -> str:
    return f'<span style="{look}">{words}</span>'
