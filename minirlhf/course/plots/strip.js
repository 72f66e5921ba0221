// The token microscope: it draws `view`, which minirlhf/course/plots/strip.py works out, and keeps `chosen` and `shading`.
// What models and people wrote is only ever put in as text, so nothing in it can run.

const SPOKEN = { "␣": " space ", "↵": " new line ", "⇥": " tab ", "∅": "nothing" };
const LINE = 1.5; // of the panel, in em; strip.css says the same

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children); // a string becomes a text node
  return element;
}

// A piece with its signs for spaces and line ends paler than what can be seen by itself.
function written(piece) {
  const parts = piece.split(/([␣↵⇥∅])/u).filter(Boolean);
  return parts.map((part) => (part in SPOKEN ? make("span", { class: "ts-mark" }, part) : part));
}

// For whoever listens: the space that most words begin with goes without saying.
function spoken(piece) {
  return piece.replace(/^␣(?=.)/u, "").replace(/[␣↵⇥∅]/gu, (mark) => SPOKEN[mark]).trim();
}

// What stands below a token, in words; strip.py says the same.
function words(shade, i) {
  if (shade.tones[i] === null) return "does not count";
  return { "✓": "yes", "": "no" }[shade.labels[i]] ?? shade.labels[i];
}

function paint(element, shade, i) {
  element.classList.toggle("ts-out", shade.tones[i] === null);
  element.style.backgroundColor = shade.tones[i] ?? "";
  element.style.color = shade.tones[i] === null ? "" : shade.inks[i];
}

// The next of `n` places for a key, or undefined if the key means no place.
function step(key, at, n) {
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: n - 1 }[key];
  return to === undefined ? undefined : Math.min(n - 1, Math.max(0, to));
}

class Strip {
  constructor(model, el) {
    this.model = model;
    this.hovered = null;
    this.title = make("div", { class: "ts-title" });
    this.shades = make("div", { class: "ts-shades", role: "radiogroup", "aria-label": "Colour the tokens by" });
    this.legend = make("div", { class: "ts-legend" });
    this.strip = make("div", { class: "ts-tokens", role: "listbox", "aria-orientation": "horizontal" });
    this.sample = make("span", { class: "ts-sample" });
    this.place = make("span", { class: "ts-place" });
    this.why = make("span", { class: "ts-why" });
    this.detail = make("pre", { class: "ts-detail" });
    const head = make("div", { class: "ts-head" }, this.sample, this.place, this.why);
    this.panel = make("div", { class: "ts-panel" }, head, this.detail);
    this.live = make("div", { class: "ts-live", role: "status" });
    const keys = [["←", "→", "next token"], ["Home", "End", "first, last"], ["Esc", "none"]].map(([...row]) => {
      const label = row.pop();
      return make("span", {}, ...row.flatMap((key) => [make("kbd", {}, key), " "]), label);
    });
    const hints = make("div", { class: "ts-hints", "aria-hidden": "true" },
      make("span", {}, "Point at a token, or click it"), ...keys);
    this.root = make("section", { class: "minirlhf-strip" },
      this.title, this.shades, this.legend, this.strip, this.panel, hints, this.live);
    el.append(this.root);

    this.strip.addEventListener("pointerover", (event) => this.onPoint(event));
    this.strip.addEventListener("pointerleave", () => this.point(null));
    this.strip.addEventListener("click", (event) => {
      const i = this.indexOf(event.target);
      if (i >= 0) this.choose(i);
    });
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    // JupyterLab must not take a plain key of ours for one of its shortcuts; those with Ctrl, such as saving, are its own.
    this.guard = (event) => {
      const ours = this.root.contains(event.target) && this.isPlain(event);
      this.root.toggleAttribute("data-lm-suppress-shortcuts", ours);
    };
    window.addEventListener("keydown", this.guard, true);
    this.handlers = { "change:view": () => this.build(), "change:shading": () => this.draw(), "change:chosen": () => this.draw() };
    for (const [name, act] of Object.entries(this.handlers)) model.on(name, act);
    this.build();
  }

  // What a person does.

  onPoint(event) {
    const i = this.indexOf(event.target);
    if (event.pointerType !== "touch" && i >= 0) this.point(i);
  }

  point(i) {
    this.hovered = i;
    this.tell();
  }

  choose(i) {
    this.hovered = null;
    this.set("chosen", i);
    this.tokens[i ?? this.first].focus({ preventScroll: true });
    this.tokens[i ?? this.first].scrollIntoView({ block: "nearest" });
    if (i !== null) this.say(i);
  }

  isPlain(event) {
    // Shift+Enter runs the cell, as everywhere in a notebook.
    return !event.ctrlKey && !event.metaKey && !event.altKey && !(event.shiftKey && event.key === "Enter");
  }

  onKey(event) {
    if (!this.isPlain(event) || event.key === "Tab") return;
    event.stopPropagation();
    const within = event.target.closest(".ts-shades");
    const act = within ? this.actOnShades(event.key) : this.actOnTokens(event.key, this.indexOf(event.target));
    if (!act) return;
    event.preventDefault();
    act();
  }

  actOnTokens(key, at) {
    if (at < 0) return null;
    if (key === "Enter" || key === " ") return () => this.choose(at);
    if (key === "Escape") return () => this.choose(null);
    const to = step(key, at, this.tokens.length);
    return to === undefined ? null : () => this.choose(to);
  }

  actOnShades(key) {
    const names = this.view.shades.map((shade) => shade.name);
    const same = { ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight" }[key] ?? key;
    const to = step(same, names.indexOf(this.shade.name), names.length);
    if (to === undefined) return null;
    return () => {
      this.set("shading", names[to]);
      this.shades.children[to].focus({ preventScroll: true });
    };
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  indexOf(element) {
    return this.tokens.indexOf(element.closest?.(".ts-token"));
  }

  // What is shown.

  // All of it, anew: at the start, and when there is another text.
  build() {
    const within = this.strip.contains(document.activeElement);
    this.view = this.model.get("view");
    this.hovered = null;
    this.root.setAttribute("role", "region");
    this.root.setAttribute("aria-label", this.view.title || "Tokens");
    this.strip.setAttribute("aria-label", this.view.title ? `Tokens: ${this.view.title}` : "Tokens");
    this.title.textContent = this.view.title;
    this.title.hidden = !this.view.title;
    this.shades.hidden = this.view.shades.length < 2;
    this.shades.replaceChildren(...this.view.shades.map(({ name }) => {
      const button = make("button", { type: "button", role: "radio" }, name);
      button.addEventListener("click", () => this.set("shading", name));
      return button;
    }));
    this.tokens = this.view.pieces.map((piece, i) => {
      const number = make("span", { class: "ts-number" });
      const labels = this.view.shades.map((shade) => shade.labels[i].length);
      number.style.minWidth = `${Math.max(...labels)}ch`; // no token moves when another shade is chosen
      number.hidden = this.view.shades.every((shade) => shade.tones[i] === null);
      return make("span", { class: "ts-token", role: "option" },
        make("span", { class: "ts-piece" }, ...written(piece)), number);
    });
    this.strip.replaceChildren(...this.tokens.flatMap((token, i) => {
      const ends = this.view.pieces[i].endsWith("↵"); // the text goes on in a new line, so the strip does too
      return ends ? [token, make("span", { class: "ts-break", role: "presentation" })] : [token];
    }));
    const lines = Math.max(...this.view.details.map((detail) => detail.split("\n").length));
    this.detail.style.minHeight = `${lines * LINE}em`; // so that nothing jumps from token to token
    this.draw();
    if (within) this.tokens[this.model.get("chosen") ?? this.first].focus({ preventScroll: true });
  }

  draw() {
    const { shades } = this.view;
    const shade = shades.find(({ name }) => name === this.model.get("shading")) ?? shades[0];
    const chosen = this.model.get("chosen");
    this.shade = shade;
    this.first = Math.max(0, shade.tones.findIndex((tone) => tone !== null)); // the first token that counts
    [...this.shades.children].forEach((button, i) => {
      button.setAttribute("aria-checked", shades[i] === shade);
      button.tabIndex = shades[i] === shade ? 0 : -1;
    });
    this.tokens.forEach((token, i) => {
      paint(token, shade, i);
      token.lastChild.textContent = shade.labels[i];
      token.tabIndex = i === (chosen ?? this.first) ? 0 : -1;
      token.setAttribute("aria-selected", i === chosen);
      token.setAttribute("aria-label", `${spoken(this.view.pieces[i])}, ${words(shade, i)}`);
    });
    this.explain();
    this.tell();
  }

  // The legend: what the colours mean.
  explain() {
    const { legend, note, name, tones } = this.shade;
    const scale = legend.length > 1 && !legend.some(([, label]) => label === "no");
    const parts = scale ? [this.scale(legend)] : legend.map(([tone, label]) => this.swatch(label, tone));
    if (tones.includes(null)) parts.push(this.swatch("does not count"));
    this.legend.replaceChildren(make("span", { class: "ts-note" }, note || name), ...parts);
  }

  scale(legend) {
    const bar = make("span", { class: "ts-bar" });
    bar.style.backgroundImage = `linear-gradient(to right, ${legend.map(([tone]) => tone).join(", ")})`;
    const label = (i) => make("span", {}, legend.at(i)[1]);
    return make("span", { class: "ts-key" }, label(0), bar, label(-1));
  }

  swatch(label, tone) {
    const square = make("span", { class: tone ? "ts-square" : "ts-square ts-out" });
    if (tone) square.style.backgroundColor = tone;
    return make("span", { class: "ts-key" }, square, label);
  }

  // The details of the token under the cursor, or else of the chosen one.
  tell() {
    const chosen = this.model.get("chosen");
    const i = this.hovered ?? chosen ?? this.told ?? this.first;
    const at = Math.min(i, this.tokens.length - 1);
    this.told = chosen === null ? at : null; // with none chosen, what was pointed at last stays
    paint(this.sample, this.shade, at);
    this.sample.replaceChildren(...written(this.view.pieces[at]));
    this.place.textContent = `token ${at} · ${this.shade.name}: ${words(this.shade, at)}`;
    this.why.textContent = at === chosen ? "chosen" : "";
    this.detail.textContent = this.view.details[at];
    this.tokens.forEach((token, each) => token.classList.toggle("ts-told", each === at));
  }

  // For whoever listens instead of looking.
  say(i) {
    this.live.textContent = this.view.details[i];
  }

  close() {
    for (const [name, act] of Object.entries(this.handlers)) this.model.off(name, act);
    window.removeEventListener("keydown", this.guard, true);
    this.root.remove();
  }
}

export default {
  render({ model, el }) {
    const strip = new Strip(model, el);
    return () => strip.close();
  },
};
