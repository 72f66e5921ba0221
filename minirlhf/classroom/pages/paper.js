// The pairs of a round on paper. They are the panel's, so the panel's cookie opens this page.

import { ask, make, place, show } from "./room.js";

const $ = (id) => document.getElementById(id);
const BOXES = ["A is better", "B is better", "tie", "both bad"];
const MOST = 12; // pairs, if nobody says otherwise: more than a room counts in ten minutes
// So many letters of prompt and replies together, and they shrink, for a page cannot be scrolled.
const LOOKS = [[1200, "most"], [420, "longest"], [160, "long"], [-1, "short"]];

let pairs = [];

function drawPair({ prompt, replies }, number) {
  const letters = [prompt, ...replies].join("").length;
  const [, look] = LOOKS.find(([more]) => letters > more);
  return make("li", { class: look },
    make("p", { class: "asked", dir: "auto" }, make("span", { class: "number" }, `${number}.`), prompt.trim()),
    ...replies.map((reply, i) => make("p", { class: "reply" }, make("b", {}, "AB"[i]), make("bdi", {}, reply.trim()))),
    make("p", { class: "boxes" }, ...BOXES.map((words) => make("span", {}, make("i", { "aria-hidden": "true" }), words))));
}

function draw() {
  const n = Math.max(1, Math.min(pairs.length, Number($("many").value) || 1));
  // The numbers are the panel's, which counts the hidden ones too.
  $("pairs").replaceChildren(...pairs.slice(0, n).map(([pair, number]) => drawPair(pair, number)));
  document.body.dataset.layout = document.querySelector("[name=layout]:checked").value;
}

async function begin() {
  $("back").href = `${place.prefix}/teach/${place.code}`;
  try {
    const { title, round, questions } = await ask("teach");
    pairs = questions.map((question, i) => [question, i + 1]).filter(([{ hidden }]) => !hidden);
    document.title = `${title}, round ${round}, on paper`;
    show($("head"), `${title} Round ${round}`);
    if (!pairs.length) return show($("trouble"), "The pairs are still being written. Load this page again in a few seconds.");
    $("many").max = pairs.length;
    $("many").value = Math.min(MOST, pairs.length);
    $("how").hidden = false;
    draw();
  } catch (fault) {
    show($("trouble"), `${fault.message} This page opens from the teacher's panel.`);
  }
}

$("how").addEventListener("input", draw);
$("how").addEventListener("submit", (event) => {
  event.preventDefault();
  print();
});
begin();
