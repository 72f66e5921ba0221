// The pairs of a round on paper. They are the panel's, so the panel's cookie opens this page.

import { ask, counted, make, place, show } from "./room.js";

const $ = (id) => document.getElementById(id);
const BOXES = ["A is better", "B is better", "tie", "both bad"];
const SEATS = 30;
const MOST = 12; // pairs, if nobody says otherwise: more than a room counts in ten minutes
// So many letters of prompt and replies together, and they shrink, for a page cannot be scrolled.
const LOOKS = [[1200, "most"], [420, "longest"], [160, "long"], [-1, "short"]];

let room = null;
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
}

function choose() {
  const layout = document.querySelector("[name=layout]:checked").value;
  const seats = layout === "seats";
  document.body.dataset.layout = layout;
  $("many").max = seats ? room.seats : pairs.length;
  $("many").value = seats ? Math.min(SEATS, room.seats) : Math.min(MOST, pairs.length);
  $("of-what").textContent = seats ? "How many cards" : "How many pairs";
  $("about-seats").hidden = !seats;
  $("about-pairs").hidden = seats;
  show($("said"), "");
  show($("trouble"), "");
  $("seats").replaceChildren(); // cards are shown once: they are made anew, or are on paper
  label();
  draw();
}

const toMake = () => document.body.dataset.layout === "seats" && !$("seats").children.length;

function label() {
  $("print").textContent = toMake() ? "Make new cards" : "Print";
}

function drawSeat(card) {
  const where = room.links.join.replace(/^https?:\/\//, "");
  const qr = make("img", { src: `${place.prefix}/qr/${place.code}.svg?card=${card}`, alt: "" });
  return make("li", {}, qr, make("b", {}, `${card.slice(0, 4)} ${card.slice(4)}`), make("p", {}, `Scan, or open ${where} and type these letters. For one phone.`));
}

async function makeCards(n) {
  show($("trouble"), "");
  try {
    const { cards } = await ask("teach/cards", { n });
    $("seats").replaceChildren(...cards.map(drawSeat));
    show($("said"), n ? `${counted(n, "new card")}: print them now, for they are not shown again. From now on nobody new joins without one.` : "Everybody with the room's code may join.");
    await Promise.all([...$("seats").querySelectorAll("img")].map((each) => each.decode().catch(() => null)));
  } catch (fault) {
    show($("trouble"), fault.message);
  }
  label();
}

async function begin() {
  $("back").href = `${place.prefix}/teach/${place.code}`;
  try {
    room = await ask("teach");
    const { title, round, questions } = room;
    pairs = questions.map((question, i) => [question, i + 1]).filter(([{ hidden }]) => !hidden);
    document.title = `${title}, round ${round}, on paper`;
    show($("head"), `${title} Round ${round}`);
    if (!pairs.length) return show($("trouble"), "The pairs are still being written. Load this page again in a few seconds.");
    $("how").hidden = false;
    choose();
  } catch (fault) {
    show($("trouble"), `${fault.message} This page opens from the teacher's panel.`);
  }
}

$("many").addEventListener("input", draw);
for (const radio of document.getElementsByName("layout")) radio.addEventListener("change", choose);
$("how").addEventListener("submit", (event) => {
  event.preventDefault();
  if (toMake()) makeCards(Number($("many").value));
  else print();
});
$("no-cards").addEventListener("click", () => makeCards(0));
begin();
