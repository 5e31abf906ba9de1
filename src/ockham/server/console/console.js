"use strict";
// Everything that comes from the server is put in as text, never as HTML.

const MOST_CHOICES = 255; // what /v1/decisions takes
const SHOWN = 5;
const LONG = 60;
const FEW_MISTAKES = 10; // shown until all are asked for

const by = (id) => document.getElementById(id);
const facts = new Map();
const asked = new Set(); // models that have answered: the first answer may have had to wait until the model was loaded
let key = "";
let turn = 0; // an answer that comes after a newer question is not shown

class RequestError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

function element(name, text, className) {
  const node = document.createElement(name);
  if (text !== undefined && text !== null) node.textContent = text;
  if (className) node.className = className;
  return node;
}

async function request(path, body) {
  let response;
  const headers = { Authorization: `Bearer ${key}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw new RequestError("The server does not respond. Is it still running?", 0);
  }
  const reply = await response.json().catch(() => null);
  if (!response.ok) {
    throw new RequestError(describe(response.status, reply?.error?.message), response.status);
  }
  return reply;
}

function describe(status, message) {
  if (status === 429) return "The server is busy. Try again in a moment.";
  return message ? `${message} (${status})` : `The server answered with status ${status}.`;
}

function readKey() {
  const match = /^#key=(.+)$/.exec(location.hash);
  if (match) {
    // The fragment is not sent to the server; it should not stay in the address bar either.
    history.replaceState(null, "", location.pathname);
    return decodeURIComponent(match[1]);
  }
  return sessionStorage.getItem("ockham-key") ?? "";
}

function askForKey(message) {
  by("main").hidden = true;
  by("gate").hidden = false;
  by("gate-error").textContent = message;
  by("status").textContent = "";
  by("key").focus();
}

async function start() {
  if (!key) return askForKey("");
  by("status").textContent = "Connecting …";
  let list;
  try {
    list = await request("/v1/models");
  } catch (error) {
    if (error.status === 401) return askForKey("The server does not accept this key.");
    by("gate").hidden = true;
    by("status").textContent = error.message;
    return;
  }
  sessionStorage.setItem("ockham-key", key);
  by("gate").hidden = true;
  by("main").hidden = false;
  by("status").textContent = "";
  fillPickers(list.data.map((model) => model.id));
  await choose();
}

function fillPickers(names) {
  asked.add(names[0]); // loaded when the server started
  by("model").replaceChildren(...names.map((name) => new Option(name, name)));
  by("beside").replaceChildren(new Option("no other model", ""), ...names.map((name) => new Option(name, name)));
  by("beside-line").hidden = names.length < 2;
}

async function factsOf(name) {
  if (!facts.has(name)) facts.set(name, await request(`/console/models/${encodeURIComponent(name)}`));
  return facts.get(name);
}

async function choose() {
  const name = by("model").value;
  for (const option of by("beside").options) option.disabled = option.value === name;
  if (by("beside").value === name) by("beside").value = "";
  by("answers").replaceChildren();
  by("status").textContent = "Loading …";
  by("send").disabled = true;
  try {
    const model = await factsOf(name);
    if (by("model").value !== name) return;
    by("status").textContent = "";
    by("send").disabled = false;
    showCells(model);
    showWhy(model);
    showMistakes(model);
  } catch (error) {
    by("status").textContent = error.message;
  }
}

function showCells(model) {
  const old = new Map([...by("cells").querySelectorAll("textarea")].map((area) => [area.name, area.value]));
  const several = model.inputs.length > 1;
  by("cells").replaceChildren(
    ...model.inputs.map((name, number) => {
      const line = element("div");
      const label = element("label", several ? name : "Text");
      const area = element("textarea");
      label.htmlFor = area.id = `cell-${number}`;
      area.name = name;
      area.value = old.get(name) ?? "";
      if (several && number < model.inputs.length - 1) area.className = "short";
      line.append(label, area);
      return line;
    }),
  );
}

function showWhy(model) {
  by("because").textContent = model.because ?? `Candidate ${model.candidate} of the run.`;
  by("figures").replaceChildren(
    ...model.figures.map((figure) => {
      const card = element("div");
      const value = element("dd", figure.value);
      value.append(element("small", figure.detail));
      card.append(element("dt", figure.title), value);
      return card;
    }),
  );
  by("damaged").hidden = !model.is_damaged;
  by("report").hidden = !model.has_report;
  by("why").hidden = model.figures.length === 0 && !model.has_report && !model.is_damaged;
}

function showMistakes(model) {
  by("mistakes").hidden = model.mistakes.length === 0;
  const wrong = model.task === "generate" ? "answers that differ from the right one" : "wrong answers";
  const [number, all] = [model.mistakes.length, by("mistakes-all")];
  by("mistakes-note").textContent = `${number} ${wrong}, most confident first (100 at most)${
    model.task === "extract" ? "; only the fields that differ are shown" : ""
  }. Pick one to try it.`;
  all.textContent = `Show all ${number}`;
  all.hidden = number <= FEW_MISTAKES;
  by("mistake-rows").replaceChildren(
    ...model.mistakes.map((mistake, place) => {
      const row = element("tr");
      row.hidden = place >= FEW_MISTAKES;
      const [target, answer] = [element("td"), element("td")];
      const [right, given] = [parseObject(mistake.target), parseObject(mistake.answer ?? "")];
      if (model.task === "extract" && right && given) {
        target.append(...differingFields(right, given));
        answer.append(...differingFields(given, right));
      } else {
        target.textContent = mistake.target;
        answer.textContent = mistake.answer ?? "no valid answer";
      }
      target.dataset.title = "Right answer";
      answer.dataset.title = "Its answer";
      const cell = element("td");
      const button = element("button", "Try it", "link");
      button.type = "button";
      button.addEventListener("click", () => fill(mistake.cells));
      cell.append(button);
      const texts = Object.values(mistake.cells).filter(Boolean);
      row.append(element("td", shorten(texts.join("\n"), 200)), target, answer, cell);
      return row;
    }),
  );
}

// The fields of an object that the other has otherwise, or not at all; one that only the other has has no value here.
function differingFields(object, other) {
  const names = [...new Set([...Object.keys(object), ...Object.keys(other)])].sort();
  return names
    .filter((name) => JSON.stringify(object[name]) !== JSON.stringify(other[name]))
    .map((name) => {
      const value = object[name] ?? null;
      const line = element("div");
      line.append(element("b", name), " ", value === null ? element("span", "no value", "none") : written(value));
      return line;
    });
}

function written(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function shorten(text, most) {
  return text.length > most ? `${text.slice(0, most)} …` : text;
}

function fill(cells) {
  for (const area of by("cells").querySelectorAll("textarea")) area.value = cells[area.name] ?? "";
  by("try-title").scrollIntoView({ block: "start" });
  by("ask").requestSubmit();
}

function inputText(model) {
  const cells = new Map([...by("cells").querySelectorAll("textarea")].map((area) => [area.name, area.value]));
  if ([...cells.values()].every((value) => !value.trim())) return "";
  if (model.inputs.length > 1) return JSON.stringify(Object.fromEntries(model.inputs.map((name) => [name, cells.get(name) ?? ""])));
  // A model beside the first one may read a single column where that reads several.
  return cells.get(model.inputs[0]) ?? [...cells.values()].filter((value) => value.trim()).join("\n");
}

async function answer(name) {
  const model = await factsOf(name);
  const text = inputText(model);
  const began = performance.now();
  const isChoice = model.task === "classify" && model.labels.length >= 2 && model.labels.length <= MOST_CHOICES;
  const reply = isChoice ? await decide(model, text) : await chat(model, text);
  return { ...reply, model, milliseconds: performance.now() - began };
}

async function decide(model, text) {
  const choices = model.labels.map((value) => ({ value }));
  const question = { type: "choice", instructions: "Which label?", choices };
  const reply = await request("/v1/decisions", { model: model.name, input: text, questions: [question] });
  const [result] = reply.answers;
  if (result.type === "refusal") return { value: null, shares: [] };
  const shares = [...result.probabilities].sort((a, b) => b.probability - a.probability).slice(0, SHOWN);
  return { value: String(result.choice), shares };
}

async function chat(model, text) {
  const messages = [{ role: "user", content: text }];
  const reply = await request("/v1/chat/completions", { model: model.name, messages });
  const message = reply.choices[0].message;
  return { value: message.refusal ? null : message.content, shares: [] };
}

function showAnswer(box, reply) {
  const { value, shares, model, milliseconds } = reply;
  box.replaceChildren(element("h3", `${model.name} (${model.candidate})`));
  const object = model.task === "extract" ? parseObject(value) : null;
  if (object) box.append(objectTable(object));
  else if (value === null || value === "") box.append(element("p", "no answer", "value none"));
  else box.append(element("p", value, value.length > LONG ? "value long" : "value"));
  const first = asked.has(model.name) ? "" : " (may include the time to load the model)";
  asked.add(model.name);
  box.append(element("p", `Answered in ${duration(milliseconds)}${first}`, "small"));
  if (model.cost) box.append(element("p", `Cost as measured: ${model.cost}`, "small"));
  if (shares.length) box.append(shareTable(shares));
}

function duration(milliseconds) {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  return milliseconds < 999.5 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toPrecision(3)} s`;
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function objectTable(object) {
  const table = element("table");
  for (const [name, value] of Object.entries(object)) {
    const row = element("tr");
    row.append(element("th", name), element("td", written(value)));
    table.append(row);
  }
  if (!table.rows.length) table.append(element("caption", "no field found"));
  return table;
}

function shareTable(shares) {
  const table = element("table");
  table.append(element("caption", "Probability of each label", "unseen"));
  for (const { value, probability } of shares) {
    const row = element("tr");
    const bar = element("td", null, "share");
    bar.append(drawBar(probability));
    row.append(element("td", String(value)), bar, element("td", `${(100 * probability).toFixed(1)} %`, "number"));
    table.append(row);
  }
  return table;
}

function drawBar(share) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const box = document.createElementNS(space, "rect");
  picture.setAttribute("class", "bar");
  picture.setAttribute("aria-hidden", "true");
  box.setAttribute("width", `${Math.max(0.5, 100 * share)}%`);
  box.setAttribute("height", "100%");
  box.setAttribute("rx", "3");
  picture.append(box);
  return picture;
}

async function ask(event) {
  event.preventDefault();
  const mine = ++turn;
  const names = [by("model").value, by("beside").value].filter(Boolean);
  if (!inputText(await factsOf(names[0]))) {
    by("answers").replaceChildren(element("p", "Enter a text first.", "error"));
    return;
  }
  by("send").disabled = true;
  const boxes = names.map((name) => {
    const box = element("div", null, "answer");
    box.append(element("h3", name), element("p", "…", "value none"));
    return box;
  });
  by("answers").replaceChildren(...boxes);
  try {
    // One after the other: on one machine two at once would slow each other down, and the times would say so.
    for (const [number, name] of names.entries()) {
      await answer(name).then(
        (reply) => mine === turn && showAnswer(boxes[number], reply),
        (error) => mine === turn && boxes[number].replaceChildren(element("h3", name), element("p", error.message, "error")),
      );
    }
  } finally {
    if (mine === turn) by("send").disabled = false;
  }
}

async function openReport() {
  // The window is opened at once: later a browser takes it for a pop-up.
  const view = window.open("", "_blank");
  try {
    const { path } = await request(`/console/models/${encodeURIComponent(by("model").value)}/report`, {});
    if (view) view.location.replace(new URL(path, location.href));
    else location.assign(path);
  } catch (error) {
    view?.close();
    by("status").textContent = error.message;
  }
}

by("gate").addEventListener("submit", (event) => {
  event.preventDefault();
  key = by("key").value.trim();
  start();
});
by("model").addEventListener("change", choose);
by("ask").addEventListener("submit", ask);
by("report").addEventListener("click", openReport);
by("mistakes-all").addEventListener("click", () => {
  for (const row of by("mistake-rows").rows) row.hidden = false;
  by("mistakes-all").hidden = true;
});
by("cells").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) by("ask").requestSubmit();
});
key = readKey();
start();
