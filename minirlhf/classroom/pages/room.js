// What the pages share: where they are, how they ask the server, and how they put words on the page.
// What people and models wrote is only ever put in as text, so nothing in it can run.

const PATIENCE_MS = 8000; // after that long an answer is taken for lost
const QUIET_MS = 3000; // so long without an event, and a page asks: some proxies hold events back
const STEADY_MS = 2000;

// A page knows no address but its own: all before /j/, /screen/, /teach/ or /paper/ is the way to the server.
const found = /^(.*)\/(?:j|screen|teach|paper)\/([^/]*)\/?$/.exec(location.pathname);
export const place = {
  prefix: found ? found[1] : location.pathname.replace(/\/[^/]*$/, ""),
  code: found ? cleanCode(found[2]) : "",
};

// A code as it was meant, as tokens.py reads it: small letters, blanks and dashes do not matter.
export function cleanCode(typed) {
  return typed.toUpperCase().replace(/[^A-Z]/g, "");
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children); // a string becomes a text node
  return element;
}

export function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

// A number with a true minus, as it is read aloud.
export function decimal(value) {
  return value.toFixed(2).replace("-", "−");
}

export function counted(n, thing, things = `${thing}s`) {
  return `${n} ${n === 1 ? thing : things}`;
}

// The date of a moment, as people here write it.
export function day(moment) {
  return new Date(moment).toLocaleDateString(undefined, { day: "numeric", month: "long", year: "numeric" });
}

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is not there on plain http
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Five hundred phones that ask at the same moment are a burst; with jitter they are a breeze.
export function jitter(ms) {
  return ms * (0.7 + 0.6 * Math.random());
}

export function backoff(faults, most = 15_000) {
  return jitter(Math.min(most, 500 * 2 ** Math.min(faults, 8)));
}

// Something the server said no to, in its words; status 0: no answer from it came at all.
export class Fault extends Error {
  constructor(words, status = 0, more = {}) {
    super(words);
    this.status = status;
    this.more = more;
  }
}

const UNHEARD = "The classroom's computer does not answer. Is this device still on the same network?";

export async function ask(path, body, stop = new AbortController(), patience = PATIENCE_MS) {
  const timer = setTimeout(() => stop.abort(), patience);
  const post = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    const reply = await fetch(`${place.prefix}/api/${place.code}/${path}`, { signal: stop.signal, ...post });
    const told = await reply.json().catch(() => null);
    if (reply.ok && told) return told;
    // A network that wants a login first answers in our server's place, and not in JSON: that counts for nothing.
    throw new Fault(told?.error ?? UNHEARD, told ? reply.status : 0, told ?? {});
  } catch (error) {
    throw error instanceof Fault ? error : new Fault(UNHEARD);
  } finally {
    clearTimeout(timer);
  }
}

// Every snapshot of `path`, as it comes; `troubled` hears of each fault, and null when all is well again.
export function follow(path, draw, troubled) {
  let heard = 0;
  let events = null;
  const take = (snapshot) => {
    heard = performance.now();
    troubled(null);
    draw(snapshot);
  };
  const listen = () => {
    events?.close();
    events = new EventSource(`${place.prefix}/api/${place.code}/${path}/events`);
    events.onmessage = (event) => take(JSON.parse(event.data));
  };
  const look = async () => {
    if (performance.now() - heard > QUIET_MS || !heard) {
      try {
        take(await ask(path));
      } catch (fault) {
        troubled(fault);
      }
    }
    if (events.readyState === EventSource.CLOSED) listen(); // a proxy's 502 ends an EventSource for good
    setTimeout(look, STEADY_MS);
  };
  listen();
  look();
}

// What a browser keeps for a page; in a window that may keep nothing, it lives as long as the page.
const memory = new Map();
export const kept = {
  names(start) {
    let stored = [];
    try {
      stored = Object.keys(localStorage);
    } catch {
      // memory is all there is
    }
    return [...new Set([...stored, ...memory.keys()])].filter((name) => name.startsWith(start)).sort();
  },
  read(name) {
    if (memory.has(name)) return memory.get(name);
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  write(name, text) {
    try {
      localStorage.setItem(name, text);
    } catch {
      memory.set(name, text);
    }
  },
  drop(name) {
    memory.delete(name);
    try {
      localStorage.removeItem(name);
    } catch {
      // it was in memory
    }
  },
};
