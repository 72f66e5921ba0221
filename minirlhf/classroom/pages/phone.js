// A voter's phone. What is voted is written down on the phone first and sent when the network lets it: in order, one at
// a time, each with an id that makes sending it twice harmless. What is on the screen is what the server said last, plus
// what still waits to be sent; so a reload, a tunnel or an hour's sleep loses nothing.

import card from "./card.js";
import { ask, backoff, cleanCode, counted, day, Fault, jitter, kept, make, newId, place, show } from "./room.js";

const HOLD_MS = 25_000; // after that long without an answer, nobody holds one back any more
const AGAIN_MS = 500;
const HIDDEN_MS = 20_000;
const WAKE_MS = 300;
const SLOW_MS = 1500; // a vote that waits longer than this is spoken of

const SENTENCES = {
  waiting: "You are in. The first pair comes when the vote is opened: look up at the screen.",
  paused: "A short pause, and your votes are kept. Look up at the screen.",
  closed: "The vote is closed. Look up at the screen: it shows what divides the room.",
  training: "The model is learning from the room's votes. Look up at the screen.",
  trained: "The model has learned from the room's votes. Look up at the screen.",
  over: "The room is over. Thank you for your votes. Look up at the screen once more.",
};
// Where a round is no ordinary one, and its sentences are others.
const IN_SCHOOLS = {
  closed: "The vote is closed. Keep your rule a secret, and look up at the screen.",
  training: "Two models are learning, one from each half of the room. Look up at the screen.",
  trained: "Two models have learned. Look up at the screen: which is whose?",
};
const OF_VALUES = {
  closed: "The vote is closed. Look up at the screen: what did the room choose?",
};
// While something is revealed: what of it is on the screen.
const SHOWN = {
  pairs: "The model answers anew. Look up at the screen: before and after, side by side.",
  words: "Look up at the screen: these are the words that your votes have paid for.",
  models: "Two models answer. Look up at the screen, and guess.",
  ask: "Which of the two models is whose? Look up at the screen, and guess.",
  whose: "Look up at the screen: it tells whose the two models are.",
  "trade-offs": "Look up at the screen: each pair set one value against another.",
  all: "Look up at the screen: all that the room has chosen, at once.",
};
const NOTHING_ASKED = "Nothing is asked just now. Look up at the screen.";
const REMOVED = "You are no longer in this room.";

const $ = (id) => document.getElementById(id);
const name = (what) => `minirlhf room ${place.prefix} ${place.code} ${what}`;

// What waits to be sent. Each has a key of its own, so that two tabs of one phone never write over one another.
const queue = {
  start: () => name("waits "),
  all() {
    return kept.names(this.start()).flatMap((key) => {
      try {
        return [{ key, ...JSON.parse(kept.read(key)) }];
      } catch {
        kept.drop(key); // not ours: nothing that can be sent
        return [];
      }
    });
  },
  add(entry) {
    const last = this.all().pop();
    const n = last ? Number(last.key.slice(this.start().length).split(" ")[0]) + 1 : 1;
    kept.write(`${this.start()}${String(n).padStart(6, "0")} ${entry.id}`, JSON.stringify(entry));
  },
  drop: (entry) => kept.drop(entry.key),
  clear() {
    for (const key of kept.names(this.start())) kept.drop(key);
  },
};

// What one entry does to the answers that stand.
function apply(entry, answers) {
  if (entry.do === "undo") answers.delete(entry.question);
  else answers.set(entry.question, { id: entry.id, says: entry.says });
}

class Phone {
  me = null; // what the server said last; null: not heard yet
  answers = new Map(); // the answers that it knows of
  seated = true; // until it says otherwise
  gone = ""; // why there is nothing to do here, in a sentence
  said = "";
  heard = "";
  lookedAt = -WAKE_MS;
  epoch = 0; // how often an answer of ours has been settled
  faults = 0;
  tries = 0;
  late = false; // whether something has waited long

  constructor() {
    this.handlers = new Set();
    this.model = {
      get: () => this.view,
      on: (_, handler) => this.handlers.add(handler),
      off: (_, handler) => this.handlers.delete(handler),
      send: (message) => this.receive(message),
    };
    const wake = () => {
      // One waking is up to three events, and five hundred phones wake at once.
      if (document.hidden || !this.joined || performance.now() - this.lookedAt < WAKE_MS) return;
      this.faults = this.tries = 0;
      this.look();
      this.pump();
    };
    document.addEventListener("visibilitychange", wake);
    for (const event of ["online", "pageshow", "focus"]) window.addEventListener(event, wake);
    window.addEventListener("storage", (event) => this.elsewhere(event));
  }

  get joined() {
    return place.code && this.seated && !this.gone;
  }

  // What a person does.

  receive(message) {
    const { id } = message;
    if (message.do === "answer") {
      queue.add({ do: "vote", question: message.question, says: message.says, ms: message.ms ?? null, id });
      this.said = "";
    } else if (message.do === "undo" && this.last()) {
      queue.add({ do: "undo", question: this.last().key, id });
      this.said = "Taken back. Here it is again.";
    }
    this.heard = id;
    this.draw();
    this.pump();
  }

  async join(code, nickname, card) {
    place.code = code;
    await ask("join", { nickname, ...(card && { card }) });
    if (!location.pathname.includes("/j/")) history.replaceState(null, "", `${place.prefix}/j/${code}`);
    this.seated = true;
    this.gone = this.said = "";
    await this.look();
  }

  async forget() {
    const told = await ask("forget", {});
    if (!told.ok) throw new Fault("Nothing was deleted. Try again.");
    clearTimeout(this.timer);
    this.leaveNothing();
    this.me = null;
    this.answers.clear();
    this.seated = false;
    this.said = "Your votes are deleted, and nothing of you is kept. You may join again.";
    this.draw();
  }

  leaveNothing() {
    queue.clear();
    kept.drop(name("me"));
  }

  // Which of two models their own school's is. It is asked while all look at one another, so it need not wait its turn.
  async guess(model) {
    show($("guessed"), "");
    try {
      const told = await ask("guess", { model });
      if (!told.ok) throw new Fault("That was not heard. Press it again.");
      this.me.guess = model;
      this.draw();
    } catch (fault) {
      show($("guessed"), fault.message);
    }
  }

  // What the server knows.

  async look() {
    clearTimeout(this.timer);
    this.lookedAt = performance.now();
    this.asking?.abort(); // after a sleep, its answer may never come
    const asking = (this.asking = new AbortController());
    const { epoch } = this;
    let wait = document.hidden ? HIDDEN_MS : AGAIN_MS;
    try {
      // The server answers when there is news, or after a while.
      const hold = document.hidden ? "" : "&hold";
      const seen = encodeURIComponent(this.me?.version ?? "");
      const me = await ask(`me?seen=${seen}${hold}`, null, asking, hold ? HOLD_MS : undefined);
      if (asking !== this.asking) return;
      this.faults = 0;
      // Asked before one of our votes was settled, so it may not know it: it would show what is answered already.
      if (epoch !== this.epoch) wait = 300;
      else if (!me.same) this.take(me);
    } catch (fault) {
      if (asking !== this.asking) return;
      if (this.refused(fault)) return;
      this.faults += 1;
      if (!this.me) this.remember();
      wait = Math.max(backoff(this.faults), (fault.more.retry_after ?? 0) * 1000);
    }
    this.draw();
    this.pump();
    this.timer = setTimeout(() => this.look(), jitter(wait));
  }

  take(me) {
    this.me = me;
    this.answers = new Map(Object.entries(me.answers));
    kept.write(name("me"), JSON.stringify(me));
  }

  // What was heard before a reload, where the server does not answer now.
  remember() {
    try {
      this.take({ ...JSON.parse(kept.read(name("me"))), version: "" });
    } catch {
      // nothing was
    }
  }

  // No seat here, or no such room: whether the fault was of that kind.
  refused(fault) {
    if (fault.status !== 403 && fault.status !== 404) return false;
    // Whoever never sat here need not be told that they do not; whoever did is told why they no longer do.
    if (fault.status === 404 || this.me) this.said = fault.message;
    if (fault.status === 403 && !fault.more.join) this.gone = fault.message || REMOVED;
    if (fault.more.erased) this.leaveNothing();
    this.seated = false;
    this.draw();
    return true;
  }

  // Another tab of this phone has written something down, or has sent it.
  elsewhere(event) {
    if (!place.code || !event.key?.startsWith(queue.start())) return;
    if (event.newValue === null && event.oldValue) {
      this.settled(JSON.parse(event.oldValue));
      this.anew();
    }
    this.draw();
    this.pump();
  }

  // Ask for everything, soon: what we made of it may be wrong.
  anew() {
    if (this.me) this.me.version = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), jitter(300));
  }

  // What is sent.

  async pump() {
    if (this.sending || !this.joined) return;
    this.sending = true;
    clearTimeout(this.retry);
    try {
      // Only pages from https or this computer have locks; without one a second tab may send the same, which is harmless.
      if (navigator.locks) await navigator.locks.request(name("sends"), () => this.drain());
      else await this.drain();
    } finally {
      this.sending = false;
      this.draw();
    }
  }

  async drain() {
    for (let entry; this.joined && (entry = queue.all()[0]); ) {
      if (this.me?.phase === "paused") return; // it waits, as everybody does
      const slow = setTimeout(() => this.beLate(true), SLOW_MS);
      try {
        const { do: path, key, ...body } = entry;
        const told = await ask(path, body);
        if (!told.ok) throw new Fault("");
        this.settled(entry);
        queue.drop(entry);
        this.tries = 0;
        this.beLate(false);
      } catch (fault) {
        if (await this.unsent(entry, fault)) return;
      } finally {
        clearTimeout(slow);
      }
    }
  }

  // Sent in vain: whether to stop for now. What can be counted later waits; the rest is dropped, with a word.
  async unsent(entry, fault) {
    if (fault.status === 403) {
      this.refused(fault);
      return true;
    }
    if ([400, 404, 409, 413].includes(fault.status)) {
      try {
        const { epoch } = this;
        const me = await ask("me?seen=");
        if (epoch === this.epoch) this.take(me);
      } catch {
        return this.later(fault); // who says so may not be our server
      }
      if (this.me.phase === "paused") return true;
      queue.drop(entry);
      this.said = `One vote was not counted: ${fault.message}`;
      this.draw();
      return false;
    }
    return this.later(fault);
  }

  later(fault) {
    this.tries += 1;
    this.beLate(true);
    this.trouble = fault.status ? fault.message : "";
    const wait = Math.max(backoff(this.tries), (fault.more.retry_after ?? 0) * 1000);
    this.retry = setTimeout(() => this.pump(), wait);
    return true;
  }

  settled(entry) {
    this.epoch += 1;
    apply(entry, this.answers);
  }

  beLate(late) {
    this.late = late;
    if (!late) this.trouble = "";
    this.drawWaiting();
  }

  // What is shown.

  standing() {
    const answers = new Map(this.answers);
    for (const entry of queue.all()) apply(entry, answers);
    return answers;
  }

  // The last one that was answered: they are answered in the order in which they are asked.
  last(standing = this.standing()) {
    return this.me?.questions.filter((each) => standing.has(each.key)).pop();
  }

  // What the card draws, as session.py writes it in a notebook.
  get view() {
    const standing = this.standing();
    const { questions, round } = this.me;
    const pending = questions.filter((each) => !standing.has(each.key));
    const [question] = pending;
    return {
      title: `Round ${round}`,
      task: !question ? "" : this.me.rule ? "Which reply fits your rule?" : "Which reply is better?",
      mode: question ? "pair" : "",
      question: question?.key ?? "",
      prompt: question?.prompt ?? "",
      asked_by: question?.asked_by ?? "",
      replies: question?.replies ?? [],
      answered: questions.length - pending.length,
      total: questions.length,
      seconds_left: null,
      can_undo: Boolean(this.last(standing)),
      said: this.said,
      note: "",
      error: "",
      heard: this.heard,
      simulated: "",
      banner: "",
      people: [],
      voter: "",
      others: [],
      saved_in: "the classroom's computer",
      next: "Look up at the screen.",
    };
  }

  draw() {
    const { me } = this;
    const sentence = this.sentence();
    const asking = !place.code || (!this.seated && !this.gone);
    const voting = !asking && me && !sentence;
    document.body.className = voting ? "voting" : "";
    $("join").hidden = !asking;
    $("message").hidden = asking || voting || !(me || this.gone);
    $("voting").hidden = !voting;
    $("foot").hidden = asking || !me || Boolean(this.gone);
    if (me?.title) document.title = me.title;
    show($("title"), me?.title || "Classroom vote");
    $("who").textContent = me?.nickname || "nobody in particular";
    const rule = (!asking && !this.gone && me?.rule) || "";
    $("rule-text").textContent = rule;
    $("rule").hidden = !rule;
    $("rule-tie").hidden = !voting;
    $("until").textContent = me?.kept_until ? `, until ${day(me.kept_until)}` : "";
    if (asking) show($("refused"), this.said);
    if (!$("message").hidden) {
      show($("sentence"), sentence);
      this.drawGuess();
      show($("receipt"), (!this.gone && me?.receipt?.sentence) || "");
      show($("own"), this.gone ? "" : this.ownCount());
      show($("word"), this.said === sentence ? "" : this.said);
    }
    if (voting) {
      if (!this.drawn) this.drawn = card.render({ model: this.model, el: $("card") });
      for (const handler of this.handlers) handler();
      const asked = this.model.get().question;
      if (asked !== this.asked) $("card").querySelector(".mc-body").scrollTop = 0; // the next pair, from its beginning
      this.asked = asked;
    }
    this.drawWaiting();
    document.body.dataset.version = me?.version ?? "";
  }

  drawGuess() {
    const guess = this.gone ? null : (this.me?.guess ?? null);
    $("guess").hidden = guess === null;
    for (const model of [1, 2]) $(`guess-${model}`).setAttribute("aria-pressed", String(guess === model));
    if (guess) show($("guessed"), `You say model ${guess}. You may still change it.`);
    else if (guess === null) show($("guessed"), "");
  }

  sentence() {
    if (this.gone) return this.gone;
    if (!this.me) return "";
    if (this.me.phase === "voting") return this.me.questions.length ? "" : NOTHING_ASKED;
    const { kind, phase, shows } = this.me;
    if (phase === "reveal" && SHOWN[shows]) return SHOWN[shows];
    return { schools: IN_SCHOOLS, values: OF_VALUES }[kind]?.[phase] ?? SENTENCES[phase] ?? NOTHING_ASKED;
  }

  ownCount() {
    const { me } = this;
    const standing = this.standing();
    const done = me.questions.filter((each) => standing.has(each.key)).length;
    return me.questions.length ? `You have answered ${done} of ${me.questions.length}.` : "";
  }

  drawWaiting() {
    const n = this.joined ? queue.all().length : 0;
    const wait = n === 1 ? "1 vote waits" : `${n} votes wait`;
    let words = "";
    if (n && this.me?.phase === "paused") words = `${wait} until the pause is over.`;
    else if (n && this.late) words = this.trouble ? `${wait}: ${this.trouble}` : `${wait} for the network. Nothing is lost.`;
    else if (this.faults > 2) words = "No network. You can go on, and nothing is lost.";
    show($("waiting"), words);
  }
}

const phone = new Phone();

// A seat card's link has its letters after the #, where no server sees them until they are sent.
$("seat-card").value = location.hash.slice(1);
if (location.hash) history.replaceState(null, "", location.pathname);
$("code").value = place.code;
$("code-field").hidden = Boolean(place.code);
if (place.code) {
  $("invited").replaceChildren("You were asked into room ", make("b", {}, place.code), ".");
}
$("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const pressed = $("join").querySelector("button");
  if (pressed.getAttribute("aria-disabled") === "true") return;
  pressed.setAttribute("aria-disabled", "true");
  show($("refused"), "");
  try {
    await phone.join(cleanCode($("code").value), $("nickname").value.trim(), cleanCode($("seat-card").value));
  } catch (fault) {
    show($("refused"), fault.message);
    if (fault.more.card) {
      $("card-field").hidden = false;
      $("seat-card").focus();
    } else $("code-field").hidden = false; // perhaps it is the code that is wrong
  } finally {
    pressed.setAttribute("aria-disabled", "false");
  }
});

for (const model of [1, 2]) $(`guess-${model}`).addEventListener("click", () => phone.guess(model));

function askOnceMore(on) {
  $("sure").hidden = !on;
  $("forget").hidden = on;
  $(on ? "sure-no" : "forget").focus();
}
$("forget").addEventListener("click", () => askOnceMore(true));
$("sure-no").addEventListener("click", () => askOnceMore(false));
$("sure-yes").addEventListener("click", async () => {
  show($("forgotten"), "");
  try {
    await phone.forget();
    $("sure").hidden = true;
    $("forget").hidden = false;
    $("more").open = false;
  } catch (fault) {
    show($("forgotten"), `Nothing was deleted. ${fault.message}`);
  }
});

if (place.code) phone.look();
else phone.draw();
