// The feedback card: it draws `view`, which minirlhf/feedback/session.py writes, and sends what a person does there.
// A notebook loads it through anywidget; any page can, with a model that has get, on, off and send.
// What models and people wrote is only ever put in as text, so nothing in it can run.

const LETTERS = "ABCDEFGHI";
const BUSY_MS = 300; // how long an answer may take before the card says why
const LOST_MS = 15000;
const SAVING = "saving…";
const BUSY = "Python is busy with a cell. What you did here waits, and nothing is lost.";
const AGAIN = "Run the card's cell again: all that was counted is kept.";
const LOST = `Still waiting for Python. If it was stopped or started anew: ${AGAIN}`;
const ALONE = `No Python stands behind this card any more, so it can keep nothing. ${AGAIN}`;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children); // a string becomes a text node
  return element;
}

function icon(name) {
  return make("span", { class: `mc-icon mc-icon-${name}`, "aria-hidden": "true" });
}

function button(look, label, act, ...children) {
  const content = children.length ? children : [label];
  const made = make("button", { type: "button", class: look, "data-name": label }, ...content);
  if (children.length) made.setAttribute("aria-label", label);
  made.addEventListener("click", (event) => {
    // The second click of a double click would fall on a question that nobody has read; moving twice is fine.
    if ((event.detail < 2 || made.closest(".mc-moves")) && made.getAttribute("aria-disabled") !== "true") act();
  });
  return made;
}

function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What was typed and not yet saved: kept in the browser, so that a reload does not lose it.
const drafts = {
  name: (question) => `minirlhf draft ${question}`,
  read(question) {
    try {
      return localStorage.getItem(this.name(question));
    } catch {
      return null; // a private window, or a page that may keep nothing
    }
  },
  write(question, text) {
    try {
      if (text === null) localStorage.removeItem(this.name(question));
      else localStorage.setItem(this.name(question), text);
    } catch {
      // then it lives as long as the page
    }
  },
};

// How long a question has been looked at: time in a hidden tab does not count.
class Stopwatch {
  constructor() {
    this.toggle = this.toggle.bind(this);
    document.addEventListener("visibilitychange", this.toggle);
    this.restart();
  }
  restart() {
    this.before = 0;
    this.since = document.hidden ? null : performance.now();
  }
  toggle() {
    this.before = this.ms();
    this.since = document.hidden ? null : performance.now();
  }
  ms() {
    return Math.round(this.before + (this.since === null ? 0 : performance.now() - this.since));
  }
  stop() {
    document.removeEventListener("visibilitychange", this.toggle);
  }
}

// One function for each mode. Each gives what to put on the stage, what to put among the actions, what the keys do
// (`keys` once a press, `held` also while a key is held down), and the hints that say so.

function pair(card, view) {
  const choose = (place) => card.answer({ answer: "Better", winner: place }, frames[place]);
  const say = (answer) => card.answer({ answer }, others[answer]);
  const frames = view.replies.map((reply, place) => {
    const name = `${LETTERS[place]} is better`;
    const frame = replyFrame(`Reply ${LETTERS[place]}`, reply, button("mc-main", name, () => choose(place)));
    frame.classList.add("mc-choice");
    frame.addEventListener("click", (event) => {
      const selecting = !getSelection().isCollapsed; // whoever marks words is still reading
      if (event.detail < 2 && !event.target.closest("button") && !selecting) choose(place);
    });
    return frame;
  });
  const others = {
    Tie: button("mc-plain", "Tie", () => say("Tie")),
    BothBad: button("mc-plain", "Both bad", () => say("BothBad")),
  };
  return {
    stage: [make("div", { class: "mc-pair" }, ...frames)],
    actions: Object.values(others),
    keys: {
      a: () => choose(0), arrowleft: () => choose(0), b: () => choose(1), arrowright: () => choose(1),
      t: () => say("Tie"), n: () => say("BothBad"),
    },
    hints: [["A", "←", "A is better"], ["B", "→", "B is better"], ["T", "tie"], ["N", "neither: both bad"]],
  };
}

function thumbs(card, view) {
  const say = (up) => card.answer({ answer: "Thumb", up }, up ? will : not);
  const will = button("mc-main mc-thumb", "It will do", () => say(true), icon("thumb"), "It will do");
  const down = "mc-main mc-thumb mc-down";
  const not = button(down, "It will not do", () => say(false), icon("thumb"), "It will not do");
  return {
    stage: [replyFrame("Reply", view.replies[0]), make("div", { class: "mc-pair" }, will, not)],
    keys: { arrowup: () => say(true), "+": () => say(true), arrowdown: () => say(false), "-": () => say(false) },
    hints: [["↑", "+", "it will do"], ["↓", "-", "it will not do"]],
  };
}

function stars(card, view) {
  const give = (n) => {
    if (!card.answer({ answer: "Stars", stars: n }, radios[n - 1])) return;
    radios.forEach((radio, i) => radio.classList.toggle("mc-filled", i < n));
    radios[n - 1].setAttribute("aria-checked", "true");
  };
  const names = [1, 2, 3, 4, 5].map((n) => `${n} star${n > 1 ? "s" : ""}`);
  const radios = names.map((name, i) => button("mc-star", name, () => give(i + 1), icon("star"), `${i + 1}`));
  radios.forEach((radio, i) => {
    radio.setAttribute("role", "radio");
    radio.setAttribute("aria-checked", "false");
    radio.tabIndex = i ? -1 : 0;
    radio.addEventListener("focus", () => radios.forEach((other) => (other.tabIndex = other === radio ? 0 : -1)));
  });
  const step = (by) => () => radios[Math.min(4, Math.max(0, radios.indexOf(document.activeElement) + by))].focus();
  const row = make("div", { class: "mc-stars", role: "radiogroup", "aria-label": "Stars" }, ...radios);
  return {
    stage: [replyFrame("Reply", view.replies[0]), row],
    keys: Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`${n}`, () => give(n)])),
    held: { arrowleft: step(-1), arrowright: step(1) },
    hints: [["1", "to", "5", "stars"], ["←", "→", "go to a star"], ["Space", "give it"]],
  };
}

function ranking(card, view) {
  const order = card.orders.get(view.question) ?? view.replies.map((_, place) => place);
  const how = make("span", { id: card.id("how"), hidden: "" }, "Alt with the up or the down arrow moves it.");
  const items = order.map((place) => {
    const name = `reply ${LETTERS[place]}`;
    const text = make("p", { class: "mc-text", id: card.id(`text-${place}`) }, view.replies[place].trim());
    const moves = make("span", { class: "mc-moves" },
      button("mc-plain mc-square", `Move ${name} up`, () => step(item, -1), "↑"),
      button("mc-plain mc-square", `Move ${name} down`, () => step(item, 1), "↓"));
    const described = { "aria-describedby": `${text.id} ${how.id}` };
    const item = make("li", { tabindex: "0", "data-place": place, "data-name": name, ...described },
      make("span", { class: "mc-grip", "aria-hidden": "true" }, icon("grip")),
      make("span", { class: "mc-rank", "aria-hidden": "true" }),
      make("span", { class: "mc-letter", "aria-hidden": "true" }, LETTERS[place]), text, moves);
    return item;
  });
  const list = make("ol", { class: "mc-ranking", role: "list", "aria-label": "Your order, the best first" }, ...items);
  const number = () => {
    const now = [...list.children];
    card.orders.set(view.question, now.map((item) => Number(item.dataset.place)));
    now.forEach((item, i) => {
      item.setAttribute("aria-label", `Reply ${LETTERS[item.dataset.place]}, place ${i + 1} of ${now.length}`);
      item.querySelector(".mc-rank").textContent = `${i + 1}.`;
      const [up, down] = item.querySelectorAll("button");
      up.setAttribute("aria-disabled", i === 0);
      down.setAttribute("aria-disabled", i === now.length - 1);
    });
  };
  const step = (item, by) => {
    const neighbour = by < 0 ? item?.previousElementSibling : item?.nextElementSibling;
    if (!neighbour || card.sending) return;
    // The neighbour moves, not the item: an element that is moved loses the focus.
    if (by < 0) item.after(neighbour);
    else item.before(neighbour);
    number();
    card.say(`${item.getAttribute("aria-label")}.`);
  };
  const focused = () => document.activeElement?.closest?.(".mc-ranking > li");
  const go = (by) => () => {
    const here = [...list.children].indexOf(focused());
    list.children[Math.min(items.length - 1, Math.max(0, here + by))].focus();
  };
  const submit = () => card.answer({ answer: "Ranking", order: card.orders.get(view.question) }, done);
  const done = button("mc-main", "Submit order", submit);
  number();
  dragging(list, step, card);
  const keys = { enter: submit };
  items.forEach((item, i) => {
    keys[LETTERS[item.dataset.place].toLowerCase()] = () => item.focus();
    keys[`${i + 1}`] = () => list.children[i].focus();
  });
  return {
    stage: [list, how],
    actions: [done],
    keys,
    held: {
      arrowup: go(-1),
      arrowdown: go(1),
      "alt+arrowup": () => step(focused(), -1),
      "alt+arrowdown": () => step(focused(), 1),
    },
    hints: [
      ["A", "B", "…", "go to a reply"],
      ["↑", "↓", "go up, down"],
      ["Alt+↑", "Alt+↓", "move it"],
      ["Enter", "submit"],
    ],
  };
}

// Drag an item of a list by pointer; `step` moves it by one place. A finger takes it by its grip: elsewhere it scrolls.
function dragging(list, step, card) {
  let drag = null;
  const drop = () => {
    if (!drag) return;
    drag.item.style.transform = "";
    drag.item.classList.remove("mc-dragged");
    drag = null;
  };
  list.addEventListener("pointerdown", (event) => {
    const item = event.target.closest("li");
    const grip = event.pointerType !== "touch" || event.target.closest(".mc-grip");
    if (!item || !grip || event.button !== 0 || !card.mode || card.sending || event.target.closest("button")) return;
    drag = { item, y: event.clientY, grab: event.clientY - item.getBoundingClientRect().top, moving: false };
    list.setPointerCapture(event.pointerId);
  });
  list.addEventListener("pointermove", (event) => {
    if (!drag || card.sending) return;
    if (!drag.moving && Math.abs(event.clientY - drag.y) < 4) return;
    drag.moving = true;
    drag.item.classList.add("mc-dragged");
    drag.item.style.transform = "";
    const top = event.clientY - drag.grab;
    const middle = (element) => element.getBoundingClientRect().top + element.offsetHeight / 2;
    const over = (by) => {
      const neighbour = by < 0 ? drag.item.previousElementSibling : drag.item.nextElementSibling;
      if (!neighbour) return false;
      return by < 0 ? top < middle(neighbour) : top + drag.item.offsetHeight > middle(neighbour);
    };
    for (const by of [-1, 1]) while (over(by)) step(drag.item, by);
    drag.item.style.transform = `translateY(${top - drag.item.getBoundingClientRect().top}px)`;
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) list.addEventListener(end, drop);
}

function writing(card, view) {
  const start = (view.replies[0] ?? "").trim();
  const label = view.replies.length ? "Your corrected reply" : "Your reply";
  const area = make("textarea", { rows: 4, "aria-label": label, placeholder: "Write here", "data-name": "text" });
  area.value = card.written.get(view.question) ?? drafts.read(view.question) ?? start;
  area.addEventListener("input", () => {
    card.written.set(view.question, area.value);
    drafts.write(view.question, area.value === start ? null : area.value);
  });
  const submit = () => card.answer({ answer: "Text", text: area.value }, done);
  const done = button("mc-main", "Submit reply", submit);
  const before = view.replies.map((reply) => replyFrame("Reply", reply));
  return {
    stage: [...before, make("label", { class: "mc-field" }, make("span", { class: "mc-small" }, label), area)],
    actions: [done],
    keys: { e: () => area.focus() },
    typing: { "mod+enter": submit, escape: () => card.root.focus({ preventScroll: true }) },
    hints: [["E", "write"], ["Ctrl+Enter", "submit"], ["Esc", "leave the text"]],
  };
}

function replyFrame(name, reply, ...more) {
  const letter = name.split(" ")[1];
  const head = letter
    ? make("div", { class: "mc-head", "aria-hidden": "true" }, make("span", { class: "mc-letter" }, letter))
    : make("div", { class: "mc-small", "aria-hidden": "true" }, name);
  return make("section", { class: "mc-reply", role: "group", "aria-label": name },
    head, make("p", { class: "mc-text" }, reply.trim()), ...more);
}

const MODES = { pair, thumbs, stars, ranking, correction: writing, demonstration: writing };

class Card {
  constructor(model, el) {
    this.model = model;
    this.prefix = newId();
    this.watch = new Stopwatch();
    this.orders = new Map(); // rankings under way, by question
    this.written = new Map(); // texts, by question; what was saved stays here for an undo
    this.sending = null;
    this.asked = null;
    this.build();
    el.append(this.root, this.live);
    this.onView = this.onView.bind(this);
    model.on("change:view", this.onView);
    this.draw(model.get("view"));
  }

  id(name) {
    return `mc-${this.prefix}-${name}`;
  }

  build() {
    this.title = make("h3", { class: "mc-title" });
    this.count = make("span", { class: "mc-small" });
    this.progress = make("progress", { "aria-label": "Answered" });
    this.banner = make("span");
    this.back = button("mc-plain", "Take the chair back", () => this.send({ do: "take chair" }));
    this.alone = make("p", { class: "mc-alone", role: "note" }, ALONE); // seen only where JupyterLab says so: card.css
    this.sitting = make("div", { class: "mc-banner", role: "note" }, this.banner, this.back);
    this.said = make("p", { class: "mc-said" });
    this.task = make("p", { class: "mc-task" });
    this.promptText = make("p", { class: "mc-text" });
    this.prompt = make("section", { class: "mc-prompt", role: "group" },
      make("div", { class: "mc-small", "aria-hidden": "true" }), this.promptText);
    this.stage = make("div", { class: "mc-stage" });
    this.error = make("p", { class: "mc-error", role: "alert" });
    this.actions = make("span", { class: "mc-actions" });
    this.skip = button("mc-plain", "Skip", () => this.answer({ answer: "Skip" }, this.skip));
    this.undo = button("mc-plain mc-undo", "Undo", () => this.send({ do: "undo" }));
    this.hints = make("p", { class: "mc-hints" });
    this.hints.addEventListener("click", () => this.root.focus({ preventScroll: true }));
    this.status = make("p", { class: "mc-status" });
    this.note = make("p", { class: "mc-note" });
    this.saved = make("p", { class: "mc-small mc-saved" });
    // Beside the card, not in it: what is read out has been seen already, and is no part of what stands there.
    this.live = make("p", { class: "minirlhf-card-news", role: "status", "aria-live": "polite" });
    this.person = make("select", { "aria-label": "Simulated person" });
    this.n = make("input", { type: "number", min: 1, value: 10, "aria-label": "How many questions" });
    this.seat = make("details", { class: "mc-seat" }, make("summary", {}, "Let a simulated person vote"),
      make("div", { class: "mc-row" }, "Let", this.person, "answer", this.n, "questions",
        button("mc-plain", "Let them vote", () => this.letVote())));
    this.earlier = make("select", { "aria-label": "Somebody who was here before" });
    this.goOn = button("mc-plain", "Go on as this person", () => this.send({ do: "seat person", who: this.earlier.value }));
    this.voter = make("span");
    this.who = make("details", { class: "mc-seat" }, make("summary", {}, "Not you?"),
      make("div", { class: "mc-row" }, this.voter,
        button("mc-plain", "Sit down as a new person", () => this.send({ do: "seat person" })), this.earlier, this.goOn));
    const quietly = { "data-lm-suppress-shortcuts": "true" }; // JupyterLab's shortcuts leave the card's keys alone
    this.root = make("section", { class: "minirlhf-card", role: "region", tabindex: "0", ...quietly },
      make("div", { class: "mc-body" },
        this.alone,
        make("header", { class: "mc-top" }, this.title, this.count), this.progress, this.sitting, this.said,
        this.task, this.prompt, this.stage, this.error,
        make("div", { class: "mc-row" }, this.actions, this.skip, this.undo),
        make("div", { class: "mc-line" }, this.hints, this.status), this.note,
        make("footer", { class: "mc-foot" }, this.seat, this.who, this.saved)));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  // What a person does.

  answer(says, chosen) {
    const view = this.model.get("view");
    if (this.sending || !view.question || view.simulated) return false;
    this.send({ do: "answer", says, question: view.question, ms: this.watch.ms() }, chosen);
    return true;
  }

  letVote() {
    const n = Math.round(Number(this.n.value));
    if (n >= 1) this.send({ do: "seat", person: this.person.value, n });
    else this.n.focus();
  }

  send(message, chosen = null) {
    if (this.sending || this.root.closest(".jupyter-widgets-disconnected")) return; // the card says so itself
    const id = newId();
    this.sending = { ...message, id, chosen, within: Boolean(this.focused) };
    chosen?.classList.add("mc-chosen");
    this.lock();
    this.wait(SAVING);
    this.timers = [setTimeout(() => this.wait(BUSY), BUSY_MS), setTimeout(() => this.wait(LOST), LOST_MS)];
    const lost = () => {
      if (this.sending?.id !== id) return;
      this.settle();
      this.complain(`This was not counted. ${ALONE}`); // trying again cannot help
    };
    try {
      Promise.resolve(this.model.send({ ...message, id })).catch(lost);
    } catch {
      lost();
    }
  }

  settle() {
    const { chosen } = this.sending;
    chosen?.classList.remove("mc-chosen");
    this.timers.forEach(clearTimeout);
    this.sending = null;
    this.wait("");
    this.lock();
  }

  // While an answer is on its way no other is taken, but nothing loses the focus, so nothing is really disabled.
  lock() {
    const busy = Boolean(this.sending);
    this.root.classList.toggle("mc-sending", busy);
    for (const area of this.root.querySelectorAll("textarea")) area.readOnly = busy;
  }

  onKey(event) {
    const mod = event.ctrlKey || event.metaKey;
    const name = `${mod ? "mod+" : ""}${event.altKey ? "alt+" : ""}${event.key.toLowerCase()}`;
    const pressed = event.target.closest("button, summary") && ["enter", " "].includes(name);
    const act = event.isComposing || pressed ? null : this.keysAt(event.target)[name];
    if (act || (!mod && !event.altKey && event.key !== "Tab")) event.stopPropagation();
    if (act || (pressed && event.repeat)) event.preventDefault();
    if (act && (!event.repeat || this.mode?.held?.[name])) act();
  }

  // What each key does; in a field, letters are letters.
  keysAt(target) {
    if (target === this.n) return { enter: () => this.letVote() };
    if (target.closest("textarea")) return this.mode?.typing ?? {};
    if (target.closest("select, input")) return {};
    const undo = () => this.undo.click();
    const always = { u: undo, "mod+z": undo };
    return this.mode ? { s: () => this.skip.click(), ...always, ...this.mode.keys, ...this.mode.held } : always;
  }

  get focused() {
    const at = document.activeElement;
    return this.root.contains(at) && !at.closest("[hidden]") ? at : null;
  }

  // What is shown.

  onView() {
    const view = this.model.get("view");
    const mine = this.sending && view.heard === this.sending.id ? this.sending : null;
    if (mine) this.settle();
    if (mine?.says?.answer === "Text" && !view.error) {
      this.written.set(mine.question, mine.says.text);
      drafts.write(mine.question, null);
    }
    this.draw(view);
    if (!mine) return;
    const place = view.question ? `Question ${view.answered + 1} of ${view.total}.` : this.finished(view);
    if (!view.error) this.say(`${mine.do === "answer" ? "Saved. " : ""}${view.said ? `${view.said} ` : ""}${place}`);
    if (mine.within && !this.focused) this.root.focus({ preventScroll: true });
    const first = view.error ? this.error : this.prompt;
    if (mine.within && !first.hidden) first.scrollIntoView({ block: "nearest" });
  }

  draw(view) {
    const { simulated } = view;
    this.root.setAttribute("aria-label", view.title);
    show(this.title, view.title);
    show(this.count, [`${view.answered} of ${view.total}`, this.timeLeft(view)].filter(Boolean).join(" · "));
    this.progress.max = view.total;
    this.progress.value = view.answered;
    show(this.banner, view.banner);
    this.sitting.hidden = !simulated;
    this.said.textContent = view.said; // its line is kept free, so that nothing jumps
    this.ask(view);
    if (this.error.textContent === view.error) this.error.textContent = ""; // so that it is read out once more
    this.complain(view.error);
    this.skip.hidden = !this.mode;
    this.undo.hidden = Boolean(view.simulated);
    this.undo.setAttribute("aria-disabled", !view.can_undo);
    show(this.note, view.note);
    show(this.saved, `kept in ${view.saved_in}`);
    this.n.max = view.total;
    this.seat.hidden = !view.people.length;
    this.who.hidden = !view.voter || Boolean(view.simulated);
    show(this.voter, `Your votes are kept under ${view.voter}, which is no name.`);
    this.earlier.hidden = this.goOn.hidden = !view.others.length;
    const others = [...this.earlier.options].map((option) => option.value);
    if (others.join() !== view.others.join()) {
      this.earlier.replaceChildren(...view.others.map((name) => make("option", {}, name)));
    }
    if (this.person.options.length !== view.people.length) {
      this.person.replaceChildren(...view.people.map((name) => make("option", {}, name)));
    }
  }

  // The question, built anew only where it is another one: what was typed or ordered meanwhile stays.
  ask(view) {
    const asked = JSON.stringify([view.question, view.replies, view.simulated]);
    if (asked === this.asked) return;
    const { focused } = this;
    this.asked = asked;
    this.watch.restart();
    const built = view.question ? MODES[view.mode](this, view) : null;
    this.mode = view.simulated ? null : built;
    show(this.task, view.question ? view.task : this.finished(view));
    this.task.classList.toggle("mc-finished", !view.question);
    show(this.promptText, view.prompt.trim());
    this.prompt.setAttribute("aria-label", view.asked_by);
    show(this.prompt.firstChild, view.asked_by);
    this.prompt.hidden = !view.question;
    this.stage.replaceChildren(...(built?.stage ?? []));
    this.actions.replaceChildren(...(this.mode?.actions ?? []));
    this.root.classList.toggle("mc-watching", Boolean(view.simulated)); // hides what one would answer with
    this.hint(this.mode ? [...built.hints, ["S", "skip"], ["U", "undo"]] : [["U", "undo"]]);
    this.hints.hidden = Boolean(view.simulated);
    if (focused && !this.focused) this.refocus(focused.dataset.name);
  }

  // After a vote one can go on from where one was: the same button of the next question, or else the card.
  refocus(name) {
    const same = name && [...this.root.querySelectorAll("[data-name]")].find((each) => each.dataset.name === name);
    (same || this.root).focus({ preventScroll: true });
  }

  hint(hints) {
    const parts = hints.map(([...keys]) => {
      const label = keys.pop();
      const shown = keys.map((key) => (key === "to" || key === "…" ? key : make("kbd", {}, key)));
      return make("span", {}, ...shown.flatMap((key) => [key, " "]), label);
    });
    // Keys reach a card that has the focus; after Shift+Enter it is on the next cell, where A and B insert cells.
    const lead = make("span", { class: "mc-lead" },
      make("span", { class: "mc-ready" }, "Keys:"), make("span", { class: "mc-arm" }, "Click here to use the keys:"));
    this.hints.replaceChildren(lead, ...parts);
  }

  wait(text) {
    show(this.status, text);
    this.hints.classList.toggle("mc-away", Boolean(text));
    if (text && text !== SAVING) this.say(text);
  }

  complain(text) {
    show(this.error, text);
  }

  say(text) {
    this.live.textContent = text;
  }

  timeLeft(view) {
    if (view.seconds_left === null || view.seconds_left === undefined || !view.question) return "";
    const minutes = Math.round(view.seconds_left / 60);
    return view.seconds_left < 60 ? "less than a minute left" : `about ${minutes} min left`;
  }

  finished(view) {
    // What comes next depends on where the card is: a page that is no notebook says so itself.
    return `All ${view.total} answered.${view.simulated ? "" : ` Thank you. ${view.next ?? "Go on with the next cell."}`}`;
  }

  close() {
    this.model.off("change:view", this.onView);
    this.watch.stop();
    this.timers?.forEach(clearTimeout);
    this.root.remove();
    this.live.remove();
  }
}

export default {
  render({ model, el }) {
    const card = new Card(model, el);
    return () => card.close();
  },
};
