// The page at `/`: picks an agent, sends an input over its socket, shows the answer as it comes. A run outlives its
// connection, and even its server: whoever comes back with its id and the number of its last event reads on.
"use strict";

const at = (id) => document.getElementById(id);
const [agent, about, locked, key, input] = ["agent", "about", "locked", "key", "input"].map(at);
const [send, cancel, figures, answer, state] = ["send", "cancel", "figures", "answer", "state"].map(at);

let models = []; // what `GET /v1/models` lists
let channels = {}; // input schemas by agent
let socket = null; // the open socket, with the agent that it belongs to
let run = null; // the run that goes on: its times, its place in the log, what it told

// A run waits so long for a client that is cut off, and a client so long for a server that is started again.
const GRACE_SECONDS = 30;
const BACK_MS = 60_000;
const BETWEEN_TRIES_MS = 500;

const secret = () => key.value.trim() || sessionStorage.getItem("genesis-key") || "";

function say(text, isError = false) {
  state.textContent = text;
  state.classList.toggle("error", isError);
}

async function get(path) {
  const headers = secret() ? { authorization: `Bearer ${secret()}` } : {};
  const response = await fetch(path, { headers });
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.error?.message ?? response.statusText), { status: response.status });
  return body;
}

async function load() {
  try {
    models = (await get("/v1/models")).data;
    if (key.value) sessionStorage.setItem("genesis-key", secret());
    locked.hidden = true;
    say("");
  } catch (error) {
    locked.hidden = error.status !== 401;
    say(error.message, true);
    return;
  }
  agent.replaceChildren(...models.map((model) => new Option(model.id, model.id)));
  const api = await get("/asyncapi.json").catch(() => ({}));
  for (const message of Object.values(api.components?.messages ?? {})) {
    const name = message["x-agent"];
    if (name) channels[name] = message.payload ?? {};
  }
  describe();
}

function describe() {
  const fields = Object.keys(channels[agent.value]?.properties ?? {});
  const isModel = fields.length === 0 || fields.includes("prompt");
  about.textContent = isModel ? "" : `Fields: ${fields.join(", ")}`;
}

// A JSON object is the input itself; any other text is the prompt, or the agent's only field.
function message(text) {
  try {
    const value = JSON.parse(text);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
  } catch { /* plain text */ }
  const schema = channels[agent.value] ?? {};
  const fields = schema.required?.length === 1 ? schema.required : Object.keys(schema.properties ?? {});
  const field = fields.length === 1 ? fields[0] : "prompt";
  return { [field]: text };
}

// Base64 as it stands in a subprotocol's name: the way in which a browser can send a key.
const base64url = (text) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function open(name) {
  if (socket?.agent === name && socket.readyState === WebSocket.OPEN) return Promise.resolve(socket);
  socket?.close();
  const url = new URL(`/ws/${encodeURIComponent(name)}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("on_disconnect", `grace=${GRACE_SECONDS}s`);
  const opened = secret() ? new WebSocket(url, ["genesis.v1", `bearer.${base64url(secret())}`]) : new WebSocket(url);
  opened.agent = name;
  opened.onmessage = (event) => hear(JSON.parse(event.data));
  socket = opened;
  return new Promise((resolve, reject) => {
    let wasOpen = false;
    opened.onopen = () => {
      wasOpen = true;
      resolve(opened);
    };
    opened.onclose = (event) => {
      const why = event.reason || `the socket closed with ${event.code}`;
      reject(new Error(why));
      if (wasOpen && socket === opened) lost(why);
    };
  });
}

// The connection ended before the run did: come back, and read on after the last event.
async function lost(why) {
  const mine = run;
  if (!mine) return;
  if (!mine.id) return end(why, true);
  say(`${why}; coming back …`);
  for (const until = performance.now() + BACK_MS; performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
    if (run !== mine) return;
    try {
      const opened = await open(mine.agent);
      if (run !== mine) return;
      opened.send(JSON.stringify({ type: "resume", run_id: mine.id, after: mine.seq }));
      say("");
      return;
    } catch { /* not yet */ }
  }
  if (run === mine) end(why, true);
}

// Shows a piece of the answer; with its message it can be taken back.
function tell(text, message) {
  const piece = document.createTextNode(text);
  run.told.push({ piece, message });
  answer.append(piece);
}

// What was told of a message, or of all of the answer, is void: it begins again.
function takeBack(message) {
  const isVoid = (told) => message === undefined || told.message === message;
  run.told.filter(isVoid).forEach((told) => told.piece.remove());
  run.told = run.told.filter((told) => !isVoid(told));
}

function hear(update) {
  if (!run) return;
  if (update.seq) run.seq = update.seq;
  switch (update.type) {
    case "run":
      run.id = update.run_id;
      break;
    case "reset":
      takeBack(update.message);
      break;
    case "delta":
      run.first ??= performance.now();
      run.pieces += 1;
      tell(update.text, update.message);
      show();
      break;
    case "tool_call":
      run.first ??= performance.now();
      tell(`\n${update.name}(${update.arguments})\n`);
      break;
    case "interrupt":
      for (const question of update.interrupts) tell(`\n\n? ${JSON.stringify(question.value)}`);
      break;
    case "output":
      tell(`\n\n${JSON.stringify(update.value, null, 2)}`);
      break;
    case "done":
      run.pieces = update.usage.output_tokens || run.pieces;
      show();
      end(update.finish_reason === "stop" ? "" : `ended: ${update.finish_reason}`);
      break;
    case "error":
      // The server stops and has given the run back: whoever comes after it goes on.
      if (update.error.code === "stopping" && run.id) break;
      end(`${update.error.code}: ${update.error.message}`, true);
      break;
  }
}

function show() {
  if (run.first === undefined) return;
  const seconds = (performance.now() - run.first) / 1000;
  const speed = run.pieces > 1 && seconds > 0 ? `${(run.pieces / seconds).toFixed(0)} tokens/s` : "";
  figures.value = `first token ${(run.first - run.sent).toFixed(0)} ms, ${run.pieces} tokens ${speed}`;
}

function end(text, isError = false) {
  run = null;
  send.disabled = false;
  cancel.disabled = true;
  say(text, isError);
}

at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (run || !input.value.trim()) return;
  answer.textContent = "";
  figures.value = "";
  say("");
  run = { agent: agent.value, sent: performance.now(), first: undefined, pieces: 0, id: "", seq: 0, told: [] };
  send.disabled = true;
  cancel.disabled = false;
  try {
    const opened = await open(run.agent);
    run.sent = performance.now();
    opened.send(JSON.stringify(message(input.value)));
  } catch (error) {
    if (run) end(error.message, true);
  }
});
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
});
cancel.addEventListener("click", () => {
  if (socket?.readyState === WebSocket.OPEN) socket.send('{"type":"cancel"}');
  else if (run) end("ended: nobody to tell; the run stops by itself", true);
});
agent.addEventListener("change", describe);
at("unlock").addEventListener("click", load);
load();
