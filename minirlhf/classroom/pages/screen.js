// The projector. It shows what the last snapshot says and asks for nothing; the teacher's panel moves it on.
// Keys, for whoever stands at it: d dark or light, f full screen, ← and → (or a presenter's buttons) back and forth
// among what has been revealed.

import { counted, decimal, follow, kept, make, place, show } from "./room.js";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const PAIRS = 3; // as many as the last row can read
const SIZES = ["huge", "large", "middle", "lesser", "small", "cut"]; // a long text shrinks in steps, and is cut after the last
const ANSWERS = ["first", "tie", "bad", "second"];
const NAMES = { "(ten more words)": "ten more words" };

let snapshot = null;
let looked = null; // what of the revealed the keys went back to; null: the newest

function draw(told = snapshot) {
  if (!told) return;
  if (slides(told).length !== slides(snapshot ?? {}).length) looked = null;
  snapshot = told;
  document.title = told.title;
  show($("title"), told.title);
  $("joined").textContent = told.joined;
  $("voted").textContent = told.voted;
  drawDoor(told);
  const [view, step] = (KINDS[told.kind] ?? {})[told.phase] ?? VIEWS[told.phase] ?? VIEWS.waiting;
  show($("step"), typeof step === "function" ? step(told) : step);
  document.body.dataset.view = view;
  document.body.dataset.phase = told.phase;
  DRAWN[view](told);
  document.body.dataset.version = told.version;
}

function drawDoor({ code, join, locked }) {
  show($("address"), join.replace(/^https?:\/\//, "").replace(new RegExp(`/j/${code}$`), ""));
  if ($("code").dataset.code !== code) {
    $("code").dataset.code = code;
    // Two groups, as a telephone number is read; the blank between them is drawn, not written.
    $("code").replaceChildren(make("span", {}, code.slice(0, 4)), make("span", {}, code.slice(4)));
    $("qr").src = `${place.prefix}/qr/${code}.svg`;
  }
  for (const id of ["qr", "how", "address", "code"]) $(id).hidden = locked;
  $("locked").hidden = !locked;
}

// For each phase, what the stage shows and what the line under the title says.
const VIEWS = {
  waiting: ["waiting", "The vote begins in a moment."],
  voting: ["pairs", ({ round }) => `Round ${round}: which reply is better?`],
  paused: ["pairs", "A short pause"],
  closed: ["pairs", ({ round }) => `Round ${round}: what divides the room`],
  training: ["training", "The model learns from your votes"],
  trained: ["training", "What does it say now?"],
  reveal: ["reveal", ""],
  over: ["over", ""],
};

// And where a round is no ordinary one.
const KINDS = {
  schools: {
    voting: ["task", ({ round }) => `Round ${round}: two schools`],
    paused: ["task", "A short pause"],
    closed: ["task", ({ round }) => `Round ${round}: two schools`],
    training: ["training", "Two models learn, one from each school"],
    trained: ["training", "Which is whose?"],
  },
  values: {
    voting: ["task", ({ round }) => `Round ${round}: which reply would you want?`],
    paused: ["task", "A short pause"],
    closed: ["task", ({ round }) => `Round ${round}: what did the room choose?`],
  },
};
const TASKS = {
  schools: ["Half of you vote by one secret rule, half by another.", "Yours is on your phone. Tell nobody."],
  values: ["No reply is right here, and none is wrong.", "Whoever votes decides what the model holds dear."],
};

const DRAWN = {
  waiting() {
    $("stage").replaceChildren(
      make("p", { class: "lead" }, "Vote on what a model shall say, and watch it change."),
      make("p", { class: "quiet" }, "No app, no account, no name. Your votes can be deleted at any time."));
  },
  pairs(told) {
    const list = keep("ol", "pairs");
    const hint = keep("p", "hint");
    const none = told.phase === "closed"
      ? `No pair was answered by ${told.enough} people, so there is no bar to show.`
      : `A pair gets its bar here when ${told.enough} people have answered it.`;
    show(hint, told.pairs.length ? "" : none);
    const agreed = keep("p", "agreement");
    agreed.replaceChildren(...(told.alpha === null ? [] : [make("b", {}, `Agreement α = ${decimal(told.alpha)}`), `: ${meaning(told.alpha)}`]));
    if (told.phase === "closed") agreed.append(`${told.alpha === null ? "" : ". "}${counted(told.votes, "vote")} of ${counted(told.voted, "person", "people")}`);
    stage(hint, list, agreed);
    const rows = whole(list, told.pairs.map((pair) => drawPair(list, pair)));
    if (list.childElementCount !== rows.length || rows.some((row, i) => list.children[i] !== row)) list.replaceChildren(...rows);
  },
  task(told) {
    const [lead, more] = TASKS[told.kind];
    const cast = `${counted(told.votes, "vote")} of ${counted(told.voted, "person", "people")}`;
    stage(
      make("p", { class: "lead" }, lead),
      make("p", { class: "more" }, told.phase === "closed" ? `The vote is closed, after ${cast}.` : more));
  },
  training(told) {
    const { training } = told;
    const records = training?.records ?? [];
    const figures = keep("div", "charts");
    const look = ["score", "kl"]; // blue, and vermilion with dots
    const charts = (CURVES[told.kind] ?? CURVES[training?.method] ?? CURVES.PPO).map(([name, title, meant], i) =>
      chart(title, meant, records.map((each) => each[name]), training?.total, look[i], told.kind === "schools" ? records.flatMap(Object.values) : []));
    figures.replaceChildren(...charts.map(({ figure }) => figure));
    const bar = keep("p", "progress");
    const words = keep("p", "told");
    show(words, training?.words ?? "");
    const of = training?.total ? `${records.length} of ${training.total} steps` : "getting ready";
    const done = `done, after ${counted(records.length, "step")}`;
    const now = { asked: "getting ready", running: of, done, failed: "did not work this time" }[training?.status] ?? "";
    bar.replaceChildren(make("b", {}, training?.method ?? ""), ` ${now}`);
    stage(bar, words, figures);
    for (const { draw } of charts) draw(); // as high as the words have left room for
  },
  reveal(told) {
    const all = slides(told);
    const at = Math.min(looked ?? all.length - 1, all.length - 1);
    if (at < 0) return stage(make("p", { class: "lead ask" }, "What does it say now?"));
    return all[at]();
  },
  over(told) {
    if (told.erased) {
      return stage(
        make("p", { class: "lead" }, "Thank you."),
        make("p", {}, "Every vote of this room has been erased."),
        make("p", { class: "quiet" }, "Nothing is left to delete."));
    }
    stage(
      make("p", { class: "lead" }, "Thank you."),
      make("p", {}, `${counted(told.voted, "person", "people")} voted in this room.`),
      make("p", { class: "quiet" }, "Your votes can still be deleted on your phone."));
  },
};

// What has been revealed, from the first to the newest: each draws itself.
function slides({ reveal, weights, schools, values }) {
  if (schools) {
    return [
      ...schools.items.map((item, i) => () => answers(item, ["Model 1", "Model 2"], `Two models: ${i + 1} of ${schools.total}`)),
      ...(schools.ask ? [() => whose(schools)] : []),
      ...(schools.models ? [() => models(schools)] : []),
    ];
  }
  if (values) {
    return [...values.items.map((item, i) => () => tradeOff(item, i + 1, values.total)), ...(values.all ? [() => tradeOffs(values.items)] : [])];
  }
  return [
    ...(reveal?.items ?? []).map((item, i) => () => answers(item, ["Before", "After"], `Before and after: ${i + 1} of ${reveal.total}`)),
    ...(weights ? [() => wordWeights(weights)] : []),
  ];
}

// One customer, answered by two models.
function answers({ prompt, before, after, first, second }, names, step) {
  show($("step"), step);
  const side = (name, look, text) => make("section", { class: `side ${look}` },
    make("h2", {}, name), make("p", { class: "said", dir: "auto" }, text.trim()));
  const asked = make("p", { class: "asked", dir: "auto" }, prompt);
  const looks = before === undefined ? ["one", "other"] : ["before", "after"];
  const sides = make("div", { class: "sides" }, side(names[0], looks[0], before ?? first), side(names[1], looks[1], after ?? second));
  stage(asked, sides);
  if (fit(asked, 1) === "cut") cut(asked);
  fitAlike([...sides.querySelectorAll(".said")]);
}

// One pair: its customer, both replies, and how the room is split. Kept from one snapshot to the next, so bars can grow.
function drawPair(list, { key, prompt, replies, counts }) {
  let row = [...list.children].find((each) => each.dataset.key === key);
  if (!row) {
    const bar = make("div", { class: "bar", "aria-hidden": "true" }, ...ANSWERS.map((name) => make("span", { class: name })));
    const number = (name) => make("span", { class: `number ${name}` });
    row = make("li", { "data-key": key },
      make("div", { class: "asks" }, make("p", { class: "prompt", dir: "auto" }), make("p", { class: "neither" })),
      make("div", { class: "split" }, number("a"), bar, number("b")),
      make("p", { class: "reply", dir: "auto" }), make("p", { class: "reply right", dir: "auto" }));
  }
  const [first, second, tie, bad] = counts;
  const all = Math.max(1, first + second + tie + bad);
  show(row.querySelector(".prompt"), prompt.trim());
  row.querySelector(".number.a").textContent = `A ${first}`;
  row.querySelector(".number.b").textContent = `${second} B`;
  const parts = { first, tie, bad, second };
  for (const name of ANSWERS) row.querySelector(`.bar .${name}`).style.flexGrow = parts[name] / all;
  const [left, right] = row.querySelectorAll(".reply");
  left.textContent = replies[0].trim();
  right.textContent = replies[1].trim();
  row.querySelector(".neither").textContent = [tie && `tie ${tie}`, bad && `both bad ${bad}`].filter(Boolean).join(" · ");
  return row;
}

// Of these rows, from the one that divides most, as many as stand on the stage whole; the first one, cut, where none does.
function whole(list, rows) {
  const trial = make("ol", { class: "pairs trial" }); // so that what is shown need not go, and its bars can grow
  trial.append(...rows.map((row) => row.cloneNode(true)));
  for (const long of trial.querySelectorAll(".long")) long.classList.remove("long");
  $("stage").append(trial);
  const gap = parseFloat(getComputedStyle(trial).rowGap);
  const heights = [...trial.children].map((row) => row.getBoundingClientRect().height + gap);
  trial.remove();
  let free = list.clientHeight + gap + 1;
  const found = rows.filter((_, i) => heights[i] <= free && (free -= heights[i]) >= 0).slice(0, PAIRS);
  const cut = found.length ? [] : rows.slice(0, 1);
  for (const row of rows) for (const text of row.querySelectorAll(".prompt, .reply")) text.classList.toggle("long", cut.includes(row));
  return [...found, ...cut];
}

function meaning(alpha) {
  if (alpha < 0.05) return "no more alike than by chance";
  if (alpha < 0.4) return "a little more alike than by chance";
  if (alpha < 0.67) return "alike, with many exceptions";
  if (alpha < 0.8) return "mostly alike";
  return alpha < 1 ? "nearly always alike" : "always alike";
}

function wordWeights(words) {
  show($("step"), "What did we pay for?");
  stage(make("p", { class: "quiet" }, "What one more of a word is worth to the reward model that your votes have made:"), beams(words));
}

function beams(words) {
  const most = Math.max(...words.map(([, weight]) => Math.abs(weight)), 1e-9);
  return make("ol", { class: "words" }, ...words.map(([word, weight]) => {
    const part = make("span", { class: weight < 0 ? "minus" : "plus" });
    part.style.width = `${(50 * Math.abs(weight)) / most}%`;
    return make("li", {},
      make("span", { class: "word", dir: "auto" }, NAMES[word] ?? word),
      make("span", { class: "beam", "aria-hidden": "true" }, part),
      make("span", { class: "weight" }, `${weight < 0 ? "" : "+"}${decimal(weight)}`));
  }));
}

// Two schools: the question to the room, and then the answer.
function whose({ guessed }) {
  show($("step"), "Which is whose?");
  stage(
    make("p", { class: "lead ask" }, "Which model is yours?"),
    make("ol", { class: "asking" },
      make("li", {}, "Say it on your phone, or by a show of hands."),
      make("li", {}, "What was the other school told to vote for?")),
    make("p", { class: "progress" }, guessed ? `${counted(guessed, "person has", "people have")} guessed.` : ""));
}

function models({ models: both, guessed, right }) {
  show($("step"), guessed ? `Whose they are: ${right} of ${guessed} guessed it` : "Whose they are");
  stage(make("div", { class: "sides" }, ...both.map(({ rule, people, weights }, i) =>
    make("section", { class: `side ${["one", "other"][i]}` },
      make("h2", {}, `Model ${i + 1}: ${counted(people, "voter")}`),
      make("p", { class: "rule" }, rule),
      beams(weights)))));
}

// A values round: one trade-off, and then all of them.
function tradeOff({ prompt, values, replies, counts, sentence }, n, total) {
  show($("step"), `What did the room choose? ${n} of ${total}`);
  const side = (i) => make("section", { class: `side ${["one", "other"][i]}` },
    make("h2", {}, values[i]), make("p", { class: "said", dir: "auto" }, replies[i]));
  const asked = make("p", { class: "asked", dir: "auto" }, prompt);
  const sides = make("div", { class: "sides" }, side(0), side(1));
  const [first, second, tie, bad] = counts;
  const neither = [tie && `tie ${tie}`, bad && `both bad ${bad}`].filter(Boolean).join(" · ");
  stage(asked, sides, make("p", { class: "verdict" }, sentence),
    make("div", { class: "split" }, make("span", { class: "number a" }, first), diverging(counts), make("span", { class: "number b" }, second)),
    make("p", { class: "neither" }, neither || "no ties"));
  if (fit(asked, 2) === "cut") cut(asked);
  fitAlike([...sides.querySelectorAll(".said")]);
}

function tradeOffs(items) {
  show($("step"), "What this room holds dear");
  stage(make("ol", { class: "trades" }, ...items.map(({ values, counts, chose }) => {
    const [first, second] = counts;
    const name = (i) => make("span", { class: `value ${["a", "b"][i]}${chose === i ? " ahead" : ""}` }, values[i]);
    return make("li", {}, name(0), make("span", { class: "number a" }, first), diverging(counts), make("span", { class: "number b" }, second), name(1));
  })));
}

// Who chose the left value grows to the left, who chose the right one to the right; ties lie across the middle.
function diverging([first, second, tie, bad]) {
  const all = Math.max(1, first + second + tie + bad);
  const bar = make("span", { class: "diverging", "aria-hidden": "true" });
  for (const [name, from, n] of [["first", -(tie + bad) / 2 - first, first], ["tie", -(tie + bad) / 2, tie + bad], ["second", (tie + bad) / 2, second]]) {
    const part = make("span", { class: name });
    part.style.left = `${50 + (50 * from) / all}%`;
    part.style.width = `${(50 * n) / all}%`;
    bar.append(part);
  }
  return bar;
}

// A line over the steps of a training, with its axes named. Letters are as large as the page's, whatever the screen.
// What each method reports of its steps, and what that means to whoever voted.
const CURVES = {
  PPO: [["score", "Score", "how much your votes like it"], ["kl", "KL", "how far it has moved"]],
  DPO: [["margin", "Margin", "how far what you chose is ahead"], ["accuracy", "Accuracy", "pairs ordered as you did"]],
  schools: [["first", "Model 1", "how well it keeps its rule"], ["second", "Model 2", "how well it keeps its own"]],
};

function chart(title, meant, values, total, name, beside = []) {
  const known = values.map((y, x) => [x + 1, y]).filter(([, y]) => Number.isFinite(y));
  const end = known[known.length - 1];
  const value = end ? ` ${decimal(end[1])}` : "";
  const picture = svg("svg", { role: "img" });
  picture.setAttribute("aria-label", end ? `${title} ${decimal(end[1])} at step ${end[0]}` : `${title}: nothing yet`);
  const figure = make("figure", {}, make("figcaption", {}, make("b", {}, `${title}${value}`), `: ${meant}`), picture);
  return { figure, draw: () => drawCurve(picture, known, Math.max(total || 0, values.length, 2), name, beside) };
}

function drawCurve(picture, known, last, name, beside) {
  const end = known[known.length - 1];
  const frame = picture.getBoundingClientRect();
  const [width, left, bottom, top, right] = [600, 96, 84, 20, 24];
  const height = Math.max(bottom + top + 40, (width * frame.height) / Math.max(frame.width, 1));
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const ys = [...known.map(([, y]) => y), ...beside]; // two models are compared on one scale
  const low0 = Math.min(0, ...ys);
  const marks = ticks(low0, Math.max(low0 + 0.1, ...ys), Math.min(5, Math.max(2, Math.floor((height - bottom - top) / 50))));
  const [low, high] = [marks[0], marks[marks.length - 1]];
  const x = (step) => left + ((step - 1) / (last - 1)) * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low)) * (height - bottom - top);
  for (const mark of marks) {
    picture.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(mark), y2: y(mark) }));
    picture.append(words(round(mark), { x: left - 12, y: y(mark) + 9, "text-anchor": "end" }));
  }
  picture.append(words("1", { x: left, y: height - bottom + 36, "text-anchor": "middle" }));
  picture.append(words(String(last), { x: width - right, y: height - bottom + 36, "text-anchor": "end" }));
  picture.append(words("step", { x: (left + width - right) / 2, y: height - 12, "text-anchor": "middle" }));
  picture.append(svg("line", { class: "axis", x1: left, x2: left, y1: top, y2: height - bottom }));
  picture.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  if (end) {
    picture.append(svg("polyline", { class: `curve ${name}`, points: known.map(([a, b]) => `${x(a)},${y(b)}`).join(" ") }));
    picture.append(svg("circle", { class: `dot ${name}`, cx: x(end[0]), cy: y(end[1]), r: 9 }));
  }
}

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function words(text, attributes) {
  const element = svg("text", attributes);
  element.textContent = text;
  return element;
}

// Round numbers from below `low` to above `high`: some `most` steps.
function ticks(low, high, most) {
  const span = Math.max(high - low, 1e-6);
  const power = 10 ** Math.floor(Math.log10(span / 3));
  const step = [1, 2, 5, 10, 20].map((n) => n * power).find((each) => span / each <= most);
  const first = Math.floor(low / step + 1e-9);
  const n = Math.max(1, Math.ceil(high / step - 1e-9) - first);
  return Array.from({ length: n + 1 }, (_, i) => (first + i) * step);
}

function round(value) {
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

// The element of that class on the stage, made where there is none yet.
function keep(tag, name) {
  return document.querySelector(`#stage > .${name}`) ?? make(tag, { class: name });
}

function stage(...elements) {
  const now = [...$("stage").children];
  if (now.length !== elements.length || now.some((each, i) => each !== elements[i])) $("stage").replaceChildren(...elements);
}

function fit(element, from = 0) {
  for (const size of SIZES.slice(from)) {
    element.classList.remove(...SIZES);
    element.classList.add(size);
    if (element.scrollHeight <= element.clientHeight + 1) return size;
  }
  return "cut";
}

// Where even the smallest letters are too many, whole lines and an ellipsis.
function cut(element) {
  const lines = Math.floor(element.clientHeight / parseFloat(getComputedStyle(element).lineHeight));
  element.style.webkitLineClamp = String(Math.max(1, lines));
  element.style.flex = "none"; // no room below for half of a line more
}

// Before and after in letters of one size: the larger would seem the better.
function fitAlike(elements) {
  const from = Math.max(...elements.map((element) => SIZES.indexOf(fit(element))));
  for (const element of elements) {
    element.classList.remove(...SIZES);
    element.classList.add(SIZES[from]);
    if (SIZES[from] === "cut") cut(element);
  }
}

const root = document.documentElement;
const THEME = "minirlhf screen theme";
if (kept.read(THEME)) root.dataset.theme = kept.read(THEME);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "d") {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    kept.write(THEME, root.dataset.theme);
  } else if (key === "f") {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen?.();
  } else if (["arrowleft", "arrowright", "pageup", "pagedown"].includes(key) && snapshot?.phase === "reveal") {
    const all = slides(snapshot).length;
    const by = key === "arrowleft" || key === "pageup" ? -1 : 1;
    looked = Math.max(0, Math.min(all - 1, (looked ?? all - 1) + by));
    draw();
    event.preventDefault();
  }
});
window.addEventListener("resize", () => draw());

follow("screen", draw, (fault) => {
  const words = fault?.status === 404 ? fault.message : "No connection to the classroom's computer. This screen goes on by itself.";
  show($("trouble"), fault ? words : "");
});
