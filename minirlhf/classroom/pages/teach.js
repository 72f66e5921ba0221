// The teacher's panel: one large button for what comes next, and below it everything else. What it shows is the last
// snapshot; what it does is asked of the server, whose words say what came of it.

import { ask, counted, day, decimal, Fault, follow, make, place, show } from "./room.js";

const $ = (id) => document.getElementById(id);
const PHASES = {
  waiting: "Waiting to begin",
  voting: "Voting",
  paused: "Paused",
  closed: "Closed for votes",
  training: "Learning",
  trained: "Learned, ready to show",
  reveal: "Showing before and after",
  over: "Over",
};
const DONE = {
  open: "The vote is open.",
  close: "The vote is closed.",
  pause: "Paused. Votes wait on the phones.",
  resume: "The vote goes on.",
  lock: "The door is locked.",
  unlock: "The door is open again.",
  hide: "Hidden.",
  show: "Asked again.",
  remove: "Removed, and their votes no longer count.",
  train: "The model begins to learn.",
  reveal: "Shown on the screen.",
  kind: "Chosen for this round.",
  next: "The next round begins.",
  relearn: "The model learns again, from the beginning.",
  end: "The room is over.",
  back: "The screen shows the one before.",
  erase: "Every vote of this room is erased.",
};
// The phase that a press leads to. What came of it stays to be read until that phase, or the one it stays in, is over.
const LEADS = {
  open: "voting", close: "closed", pause: "paused", resume: "voting", train: "training", relearn: "training",
  reveal: "reveal", next: "voting", end: "over", erase: "over",
};
const SHOWING = { schools: "Showing two models", values: "Showing what the room chose" };
const KINDS = { ordinary: "an ordinary one", schools: "for two schools", values: "about values" };
let snapshot = null;
let noticed = []; // the phases in which the notice may stay

// What is done.

async function act(wish, after = DONE[wish.do], path = "teach/do") {
  show($("error"), "");
  try {
    const told = await ask(path, wish);
    if (!told.ok) throw new Fault("The server did not say that it was done. Look at the screen.");
    $("result").textContent = after;
    noticed = [LEADS[wish.do] ?? snapshot?.phase, snapshot?.phase];
    return true;
  } catch (fault) {
    $("result").textContent = "";
    complain(fault);
  }
}

function complain(fault) {
  show($("error"), fault.message);
  if (fault.status === 403 && !snapshot) {
    $("login").hidden = false;
    $("token").focus();
  }
}

const method = () => document.querySelector("[name=method]:checked").value;

// The one thing that comes next, in each phase: what the button says, and what it asks for; null: wait.
function nextStep(told) {
  const { phase, training, reveal, round, voted, joined, paused } = told;
  if (paused && (phase === "paused" || phase === "voting")) return ["Go on voting", { do: "resume" }];
  switch (phase) {
    case "waiting": return ["Open the vote", { do: "open" }];
    case "voting": return [`Close the vote (${voted} of ${joined} have voted)`, { do: "close" }];
    case "paused": return ["Go on voting", { do: "resume" }];
    case "closed":
      if (told.values) return ["Show the first trade-off", { do: "reveal" }];
      return [`Train now with ${method()}`, () => ({ do: "train", method: method() })];
    case "training":
      if (training?.status === "failed") return ["Train again", () => ({ do: "train", method: method() })];
      if (training?.status === "done") return ["Show the first pair", { do: "reveal" }];
      return [`Learning${training?.total ? `: ${training.records.length} of ${training.total} steps` : " …"}`, null];
    case "trained": return ["Show the first pair", { do: "reveal" }];
    case "reveal": {
      if (told.schools || told.values) return nextShown(told) ?? [`Open round ${round + 1}`, { do: "next" }];
      const { shown, total } = reveal ?? { shown: 0, total: 0 };
      if (shown < total) return [`Show pair ${shown + 1} of ${total}`, { do: "reveal" }];
      if (!snapshot.weights) return ["Show what we paid for", { do: "reveal" }];
      return [`Open round ${round + 1}`, { do: "next" }];
    }
    default: return ["The room is over", null];
  }
}

// What a round that is no ordinary one shows next; nothing, where all is shown.
function nextShown({ schools, values }) {
  const what = schools ? "pair" : "trade-off";
  const { shown, total, ask, models, all } = schools ?? values;
  const step = (label) => [label, { do: "reveal" }];
  if (shown < total) return step(`Show ${what} ${shown + 1} of ${total}`);
  if (values) return all ? null : step("Show all trade-offs at once");
  if (!ask) return step("Ask the room which is whose");
  return models ? null : step("Show whose they are");
}

// What else may be wanted at that point; null where it has to wait.
function otherSteps(told) {
  const { phase, round, training, values, relearns } = told;
  const failed = phase === "training" && training?.status === "failed";
  const valued = values && (phase === "closed" || phase === "reveal");
  const after = phase === "trained" || phase === "reveal";
  const [, main] = nextStep(told);
  const steps = [];
  if (phase === "closed" || failed) steps.push(["Open the vote again", { do: "open" }]);
  if (phase === "reveal") steps.push(oneBefore(told));
  if (valued) steps.push([`Train on them with ${method()}`, () => ({ do: "train", method: method() })]);
  if (after && relearns) steps.push(["Learn again without them", { do: "relearn" }]);
  // Where the large button opens it, no second one does.
  if ((after || valued) && main?.do !== "next") steps.push([`Skip the rest, open round ${round + 1}`, { do: "next" }]);
  return steps;
}

// What the projector showed before what it shows now; at the first the button only keeps its place.
function oneBefore({ reveal, weights, schools, values }) {
  const what = values ? "trade-off" : "pair";
  const { shown, total } = schools ?? values ?? reveal ?? { shown: 0, total: 0 };
  if (schools?.models) return ["Back to the question", { do: "back" }];
  const before = schools?.ask || values?.all || (!schools && !values && weights) ? total : shown - 1;
  return before < 1 ? ["Back", null] : [`Back to ${what} ${before}`, { do: "back" }];
}

// What is shown.

function draw(told) {
  snapshot = told;
  if (told.phase === noticed[0]) noticed = [told.phase]; // a notice may be here before the phase that it led to
  if (!noticed.includes(told.phase)) $("result").textContent = "";
  $("login").hidden = true;
  $("panel").hidden = false;
  document.title = `Teacher's panel: ${told.title}`;
  show($("title"), told.title);
  const shows = told.values || told.schools ? SHOWING[told.kind] : PHASES.reveal;
  show($("phase"), `${told.phase === "reveal" ? shows : (PHASES[told.phase] ?? told.phase)} · round ${told.round}${told.kind === "ordinary" ? "" : `, ${KINDS[told.kind]}`} · ${told.joined} joined, ${told.voted} voted`);
  show($("unkept"), told.trouble ? `Nothing can be kept just now; votes wait on the phones, and none is lost. ${told.trouble}` : "");
  drawNext(told);
  drawKinds(told);
  const agreed = told.alpha === null ? "no agreement to measure yet" : `agreement α = ${decimal(told.alpha)}`;
  show($("numbers"), [counted(told.votes, "vote"), agreed, told.training?.words].filter(Boolean).join(" · "));
  show($("about"), told.about);
  show($("failed"), told.training?.status === "failed" ? `The training did not work. ${told.training.words}` : "");
  show($("gone"), told.gone ? forgotten(told) : "");
  show($("few"), told.few);
  show($("until"), told.kept_until && !told.erased ? `All of this room, its votes, seats and names, is deleted on ${day(told.kept_until)}.` : "");
  tuck($("pause"), told.phase !== "voting"); // in a pause, the large button ends it
  $("lock").hidden = told.phase === "over";
  $("lock").textContent = told.locked ? "Unlock the door" : "Lock the door";
  $("code").textContent = told.code;
  const seats = `${told.joined} of ${told.seats} seats are taken${told.locked ? ", and the door is locked" : ""}.${cards(told)}`;
  show($("seats"), told.erased ? "Every seat of it is erased, with every vote." : seats);
  $("screen-link").href = told.links.screen;
  $("join-link").href = told.links.join;
  $("here-only").hidden = !/^https?:\/\/(127\.|localhost|\[::1\])/.test(told.links.join);
  rows($("questions"), told.questions, "key", questionRow);
  show($("hands-count"), told.hands ? `${counted(told.hands, "hand")} counted so far.` : "");
  const counting = !told.no_hands;
  show($("no-hands"), told.no_hands);
  tuck($("counting"), !counting);
  rows($("tallies"), counting ? told.questions.filter((each) => !each.hidden) : [], "key", tallyRow(told));
  rows($("members"), told.members.filter((each) => !each.removed), "voter", memberRow);
  tuck(endIt, told.phase === "over");
  tuck($("ends").closest("section"), told.erased);
  document.body.dataset.version = told.version;
}

// Put away what makes no sense now; whoever was on it by the keyboard goes on from the large button.
function tuck(element, away) {
  const held = away && element.contains(document.activeElement);
  element.hidden = away;
  if (held) $("next").focus();
}

// Another kind of round: chosen while the first one waits, and afterwards by opening the next one as it.
function drawKinds({ phase, round, kind, values }) {
  const waiting = phase === "waiting";
  tuck($("kinds"), !(waiting || phase === "trained" || phase === "reveal" || (phase === "closed" && values)));
  const words = `Round ${round} is ${KINDS[kind]}. Another kind, or the same again to undo it:`;
  show($("kinds-name"), waiting ? words : `Or open round ${round + 1} as another kind:`);
  for (const name of ["schools", "values"]) {
    if (waiting) $(name).setAttribute("aria-pressed", String(kind === name));
    else $(name).removeAttribute("aria-pressed");
  }
}

// A method is suggested once for each round: a school's model is to be there while people still whisper.
let suggested = "";
function suggest({ round, kind }) {
  if (suggested === `${round} ${kind}`) return;
  suggested = `${round} ${kind}`;
  document.querySelector(`[name=method][value=${kind === "schools" ? "DPO" : "PPO"}]`).checked = true;
}

const cards = ({ cards: [used, made] }) => (made ? ` Nobody joins without a seat card; ${used} of ${counted(made, "card")} used.` : "");

// Somebody has deleted votes from which the model has learned already.
function forgotten({ gone, phase, relearns }) {
  const knows = `The model has learned from ${counted(gone, "vote")} that somebody has deleted since.`;
  if (relearns) return `${knows} It can learn again without them, from the beginning.`;
  return phase === "over" ? knows : `${knows} The next training begins anew, without them.`;
}

function drawNext(told) {
  suggest(told);
  const button = offer($("next"), ...nextStep(told));
  $("methods").hidden = !(told.phase === "closed" || (told.phase === "reveal" && told.values) || (told.phase === "training" && told.training?.status === "failed"));
  const old = [...$("also").children];
  const now = otherSteps(told).map(([words, wish]) => {
    const { do: name } = (typeof wish === "function" ? wish() : wish) ?? { do: "back" };
    // The same element from one snapshot to the next: whoever goes back and back keeps a finger on it.
    const other = old.find((each) => each.dataset.name === name) ?? wishing(press(words));
    other.dataset.name = name;
    return offer(other, words, wish);
  });
  if (now.length === old.length && now.every((each, i) => each === old[i])) return;
  const held = $("also").contains(document.activeElement) && document.activeElement;
  $("also").replaceChildren(...now);
  if (held) (now.includes(held) ? held : button).focus();
}

// What a button says and asks for; where that is null it is not really disabled: it would lose the focus.
function offer(button, words, wish) {
  if (button.textContent !== words) button.textContent = words;
  button.setAttribute("aria-disabled", String(!wish));
  button.wish = wish;
  return button;
}

// A button that asks for what it was offered last.
function wishing(button) {
  button.addEventListener("click", (event) => {
    const { wish } = button;
    // The second click of a double click would be the next step, before anybody has seen this one.
    if (!wish || event.detail > 1 || button.busy) return;
    button.busy = true;
    act(typeof wish === "function" ? wish() : wish).finally(() => (button.busy = false));
  });
  return button;
}

// Rows that stay the same elements from one snapshot to the next, so that none loses the focus.
function rows(list, items, id, row) {
  const old = new Map([...list.children].map((each) => [each.dataset.id, each]));
  items.forEach((item, i) => {
    const element = old.get(item[id]) ?? Object.assign(document.createElement("li"), { fresh: true });
    old.delete(item[id]);
    element.dataset.id = item[id];
    row(element, item, i + 1);
    if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
  });
  for (const element of old.values()) {
    const held = element.contains(document.activeElement);
    element.remove();
    if (held) $("next").focus();
  }
}

function questionRow(row, { key, prompt, replies, counts, hidden }, n) {
  if (row.fresh) {
    row.fresh = false;
    const toggle = press("", () => act({ do: row.hides ? "hide" : "show", question: key }));
    row.append(
      make("div", { class: "texts" }, make("p", { class: "asked", dir: "auto" }, prompt.trim()),
        ...replies.map((reply, i) => make("p", {}, make("b", {}, `${"AB"[i]} `), make("bdi", {}, reply.trim()))),
        make("p", { class: "quiet counts" })),
      toggle);
  }
  const [first, second, tie, bad] = counts;
  row.querySelector(".counts").textContent = `A ${first} · B ${second} · tie ${tie} · both bad ${bad}`;
  row.classList.toggle("hidden-one", hidden);
  row.hides = !hidden;
  name(row.querySelector("button"), hidden ? "Ask again" : "Hide", `question ${n}`);
}

// What was counted on paper, pair by pair. What somebody types here is theirs until it is kept or left as it was.
const HANDS = ["A", "B", "Tie", "Both bad"];
const tallyRow = ({ questions }) => (row, { key, prompt, paper }) => {
  const n = questions.findIndex((each) => each.key === key) + 1;
  if (row.fresh) {
    row.fresh = false;
    row.inputs = HANDS.map(() => make("input", { type: "number", min: "0", step: "1", inputmode: "numeric", autocomplete: "off" }));
    const fields = HANDS.map((hand, i) => make("label", {}, hand, row.inputs[i]));
    const form = make("form", { class: "tally", novalidate: "" }, make("fieldset", {}, make("legend", { dir: "auto" }, `${n}. ${prompt.trim().slice(0, 60)}`),
      ...fields, make("button", {}, "Count"), make("p", { class: "quiet" })));
    form.addEventListener("input", () => (row.typed = true));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      keep(row, key, n);
    });
    row.append(form);
  }
  name(row.querySelector("button"), "Count", `pair ${n}`);
  const sum = (paper ?? []).reduce((a, b) => a + b, 0);
  row.querySelector(".quiet").textContent = sum ? `${counted(sum, "hand")} counted` : "";
  if (!row.typed) row.inputs.forEach((input, i) => (input.value = sum ? paper[i] : ""));
};

async function keep(row, key, n) {
  const counts = row.inputs.map((input) => Number(input.value || 0));
  const wrong = row.inputs.find((input) => input.validity.badInput || !/^\d*$/.test(input.value));
  if (wrong) {
    show($("error"), `Pair ${n}: how many hands? A whole number, or nothing for none.`);
    return wrong.focus();
  }
  const done = `Pair ${n}: ${counted(counts.reduce((a, b) => a + b, 0), "hand")} counted.`;
  if (await act({ question: key, counts }, done, "teach/tally")) {
    row.typed = false;
    (row.nextElementSibling?.inputs?.[0] ?? row.querySelector("button")).focus();
  }
}

// Rows keep their places and, while people vote, their heights: what a finger is about to press stays under it.
function memberRow(row, { voter, name: who, votes, note, suspect, simulated }) {
  if (row.fresh) {
    row.fresh = false;
    const line = make("p", {}, make("bdi", {}), make("span", { class: "quiet cast" }), make("span", { class: "note" }));
    row.append(make("div", { class: "texts" }, line, make("p", { class: "suspect", hidden: "" })));
    const asked = () => `Remove ${row.who}? Their votes no longer count.`;
    row.append(sure("Remove", [asked, "Yes, remove"], () => act({ do: "remove", voter })));
  }
  row.who = who;
  row.querySelector("bdi").textContent = who;
  const said = [(votes || !note) && counted(votes, "vote"), simulated && "simulated"].filter(Boolean);
  row.querySelector(".cast").textContent = ` ${said.join(", ")} `;
  row.querySelector(".note").textContent = note ?? "";
  show(row.querySelector(".suspect"), suspect ? `Look here: ${suspect}` : "");
  name(row.querySelector(".sure > button"), "Remove", who);
}

// A button's words, and after them, for whoever cannot see where it stands, what it is about.
function name(button, words, about) {
  if (button.textContent !== words) button.textContent = words;
  button.setAttribute("aria-label", `${words}: ${about}`);
}

function press(label, what, look = "") {
  const made = make("button", { type: "button", ...(look && { class: look }) }, label);
  if (what) made.addEventListener("click", what);
  return made;
}

// A button that asks before it acts, as often as there are questions: [what is asked, what yes is called], …
function sure(label, ...questionsAndAct) {
  const what = questionsAndAct.pop();
  const questions = questionsAndAct;
  const first = press(label, () => askFor(0));
  const box = make("div", { class: "sure" }, first);
  const asked = make("div", { class: "ask", role: "group", hidden: "" });
  box.append(asked);
  const back = () => {
    asked.hidden = true;
    first.hidden = false;
    first.focus();
  };
  function askFor(i) {
    const [asking, yes] = questions[i];
    const question = typeof asking === "function" ? asking() : asking;
    const no = press("No", back);
    const go = () => {
      if (i + 1 < questions.length) return askFor(i + 1);
      back();
      what();
    };
    asked.setAttribute("aria-label", question);
    asked.replaceChildren(make("p", {}, question), no, press(yes, go, "grave"));
    first.hidden = true;
    asked.hidden = false;
    no.focus(); // so that a key held too long says no
  }
  asked.addEventListener("keydown", (event) => event.key === "Escape" && back());
  return box;
}

wishing($("next"));
$("panel").addEventListener("click", (event) => {
  if (event.target.closest("button")) $("result").textContent = ""; // of the press before
}, true);
$("methods").addEventListener("change", () => drawNext(snapshot));
$("pause").addEventListener("click", () => act({ do: "pause" }));
for (const name of ["schools", "values"]) {
  $(name).addEventListener("click", (event) => {
    if (event.detail > 1) return; // a double click is one
    const kind = snapshot.kind === name ? "ordinary" : name;
    act(snapshot.phase === "waiting" ? { do: "kind", kind } : { do: "next", kind: name });
  });
}
$("lock").addEventListener("click", () => act({ do: snapshot.locked ? "unlock" : "lock" }));
const endIt = sure("End the room", ["End the room? Nobody can vote or join after that.", "Yes, end it"], () => act({ do: "end" }));
$("ends").append(
  endIt,
  sure("Erase every vote",
    ["Erase every vote and every seat of this room? Export first what you want to keep.", "Yes, erase"],
    ["Really? What is erased cannot be brought back.", "Yes, erase everything"],
    () => act({ do: "erase" })));
$("export-ids").append(sure("The same, with voters' ids",
  ["With the random number of each voter, the file shows who gave which answers, and the list of names in the database says who that is. Export it so?", "Yes, with ids"],
  () => {
    const link = make("a", { href: `${$("export").href}?voters=ids`, download: "" });
    document.body.append(link);
    link.click();
    link.remove();
  }));
$("privacy").href = `${place.prefix}/privacy`;
$("paper").href = `${place.prefix}/paper/${place.code}`;
$("export").href = `${place.prefix}/api/${place.code}/teach/export`;

// The way in: by the key in the link, once; then a cookie opens the panel, and the key is nowhere to be seen.

async function enter(token) {
  show($("error"), "");
  try {
    if (token) await ask("teach/login", { token });
    draw(await ask("teach"));
  } catch (fault) {
    return complain(fault);
  }
  // Of its own line: what an act was refused for must stay to be read when the next snapshot comes.
  follow("teach", draw, (fault) => show($("trouble"), fault?.message ?? ""));
}

function tokenOnce() {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}
window.addEventListener("hashchange", () => location.hash && location.reload()); // the link, opened where it is open
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  enter($("token").value.trim().replace(/^.*#/, ""));
});
enter(tokenOnce());
