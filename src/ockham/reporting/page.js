"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  // Tables whose headings sort them.
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        const value = (row) => {
          const raw = row.cells[column].dataset.v;
          return column === 0 ? raw : Number(raw);
        };
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
        });
        table.tBodies[0].append(...rows);
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
      });
    });
  }

  // A table that is cut says so, until its end is in sight.
  for (const box of document.querySelectorAll(".scroll")) {
    const cue = document.createElement("p");
    cue.className = "note cue";
    cue.textContent = "More columns to the right: scroll sideways →";
    cue.hidden = true;
    box.before(cue);
    const look = () => {
      const hidden = box.scrollWidth - box.clientWidth - box.scrollLeft;
      box.classList.toggle("cut", hidden > 2);
      cue.hidden = box.scrollWidth - box.clientWidth <= 2;
    };
    box.addEventListener("scroll", look, { passive: true });
    new ResizeObserver(look).observe(box);
  }

  // Tables of the page as files: cells that a spreadsheet would run as a formula are quoted (OWASP, "CSV Injection").
  const cell = (value) => {
    const text = String(value);
    const safe = /^[\t\r\n]/.test(text) || /^[ \u00a0\0\p{Cf}]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/u.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const save = (name, rows) => {
    const text = `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const doubted = byId("doubted");
  if (doubted) {
    byId("save-doubts").hidden = false;
    byId("save-doubts").addEventListener("click", () => save("labels-in-doubt.csv", JSON.parse(doubted.textContent)));
  }

  // The answers, filtered. Texts come in cleaned and are only ever set as text.
  const source = byId("rows");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const PAGE = 50;
  let page = 0;
  const control = { find: byId("find"), label: byId("label"), a: byId("a"), b: byId("b"), mode: byId("mode"), field: byId("field") };
  const folded = data.rows.map((row) => `${row[0]}\n${row[1]}`.toLocaleLowerCase());

  const targets = [...new Set(data.rows.map((row) => row[2]))];
  if (data.few && targets.length <= 300) {
    targets.sort((x, y) => (data.strings[x] < data.strings[y] ? -1 : 1));
    for (const target of targets) {
      const option = document.createElement("option");
      option.value = String(target);
      option.textContent = data.strings[target].slice(0, 80);
      control.label.append(option);
    }
  } else {
    control.label.parentElement.hidden = true;
  }

  const single = data.names.length === 1;
  if (single) {
    control.b.parentElement.hidden = true;
    for (const option of [...control.mode.options]) if (!["wrong", "all"].includes(option.value)) option.remove();
  }

  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const foreign = (text, className) => {
    const element = make("bdi", className, text);
    element.dir = "auto";
    return element;
  };
  const tests = {
    wrong: (a) => a === 0,
    ab: (a, b) => a === 1 && b === 0,
    ba: (a, b) => a === 0 && b === 1,
    both: (a, b) => a === 0 && b === 0,
    differ: (a, b, row, i, j) => row[3][i] !== row[3][j],
    all: () => true,
  };

  // Right or wrong: of the whole answer, or of the field that is looked at.
  const field = () => (control.field && control.field.value !== "" ? Number(control.field.value) : null);
  const judge = (row, i) => (field() === null || row[4][i] < 0 ? row[4][i] : row[7][i].includes(field()) ? 0 : 1);

  const chosen = () => {
    const words = control.find.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const [i, j] = [Number(control.a.value), Number(control.b.value)];
    const target = control.label.value === "" ? null : Number(control.label.value);
    const test = tests[control.mode.value];
    return data.rows.filter((row, n) =>
      (target === null || row[2] === target)
      && test(judge(row, i), judge(row, j), row, i, j)
      && words.every((word) => folded[n].includes(word)));
  };

  // Extracted values: field by field, and marked where they stand in the text.
  const leaves = (path, value) => {
    if (Array.isArray(value)) return value.flatMap((item) => leaves(path, item));
    if (value !== null && typeof value === "object") {
      return Object.entries(value).flatMap(([key, item]) => leaves(path === "" ? key : `${path}.${key}`, item));
    }
    if (value === null || (typeof value === "string" && value.trim() === "")) return [];
    return [[path, typeof value === "string" ? value : JSON.stringify(value)]];
  };
  const value = (place, differing) => {
    const text = data.strings[place];
    if (!data.fields.length) return foreign(text);
    let pairs;
    try {
      pairs = leaves("", JSON.parse(text));
    } catch {
      return foreign(text);
    }
    const line = (path, shown) => make("div", differing.includes(path) ? "no" : "", make("span", "small", path), " ", shown);
    const lines = pairs.map(([path, text]) => line(path, foreign(text)));
    const given = pairs.map(([path]) => path);
    for (const path of differing) if (!given.includes(path)) lines.push(line(path, make("span", "none", "missing")));
    return lines.length ? make("div", "values", ...lines) : make("span", "none", "no field");
  };
  // Written texts: the words in which an answer and the right one differ are marked (longest common subsequence).
  const commonWords = (one, other) => {
    const [x, y] = [one.split(/(\s+)/), other.split(/(\s+)/)];
    if (x.length * y.length > 640000) return null;
    const best = Array.from({ length: x.length + 1 }, () => new Uint16Array(y.length + 1));
    for (let i = x.length - 1; i >= 0; i--) {
      for (let j = y.length - 1; j >= 0; j--) {
        best[i][j] = x[i] === y[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
      }
    }
    const parts = [];
    for (let i = 0, j = 0; i < x.length; i++) {
      while (j < y.length && x[i] !== y[j] && best[i][j + 1] > best[i + 1][j]) j++;
      const common = j < y.length && x[i] === y[j];
      if (common) j++;
      parts.push([x[i], common || /^\s*$/.test(x[i])]);
    }
    return parts.some(([word, common]) => common && word.trim()) ? parts : null;
  };
  const written = (place, other, kind) => {
    const parts = other < 0 ? null : commonWords(data.strings[place], data.strings[other]);
    if (parts === null) return foreign(data.strings[place]);
    const text = make("bdi", "", ...parts.map(([word, common]) => (common ? word : make("mark", kind, word))));
    text.dir = "auto";
    return text;
  };
  const marked = (row, i) => {
    if (!data.fields.length) return foreign(row[1], "said");
    const letters = [...row[1]];
    const spans = [...row[6].map((span) => [...span, ""]), ...row[8][i].map((span) => [...span, "wrong"])]
      .sort((x, y) => x[0] - y[0] || (x[2] === "" ? -1 : 1));
    const parts = [];
    let at = 0;
    for (const [start, end, kind] of spans) {
      if (start < at) continue;
      parts.push(letters.slice(at, start).join(""), make("mark", kind, letters.slice(start, end).join("")));
      at = end;
    }
    const said = make("bdi", "said", ...parts, letters.slice(at).join(""));
    said.dir = "auto";
    return said;
  };

  const shownAnswer = (row, i, mark, differing) => {
    if (row[3][i] < 0) return make("span", "none", "no valid answer");
    return data.written && mark === 0 ? written(row[3][i], row[2], "wrong") : value(row[3][i], differing);
  };
  const answer = (row, i, head) => {
    const mark = judge(row, i);
    const cell = make("td", mark === 1 ? "yes" : mark === 0 ? "no" : "open");
    cell.dataset.head = head;
    const sign = make("span", "sign", mark === 1 ? "✓" : mark === 0 ? "✕" : "?");
    sign.setAttribute("aria-hidden", "true");
    const word = make("span", "unseen", mark === 1 ? "right: " : mark === 0 ? "wrong: " : "not judged: ");
    const differing = data.fields.length ? row[7][i].map((n) => data.fields[n]) : [];
    cell.append(sign, word, shownAnswer(row, i, mark, differing));
    if (row[5][i] >= 0) cell.append(make("span", "small", `confidence ${row[5][i]}\u00a0%`));
    return cell;
  };

  const file = () => {
    const shown = single ? [Number(control.a.value)] : [Number(control.a.value), Number(control.b.value)];
    const heads = shown.flatMap((i) => [data.names[i], `${data.names[i]}: right`, `${data.names[i]}: confidence`]);
    const text = (place) => (place < 0 ? "" : data.strings[place]);
    const word = (mark) => (mark < 0 ? "" : mark ? "yes" : "no");
    return [["row", "text", "right answer", ...heads], ...chosen().map((row) => [
      row[0], row[1], text(row[2]),
      ...shown.flatMap((i) => [text(row[3][i]), word(row[4][i]), row[5][i] < 0 ? "" : row[5][i] / 100]),
    ])];
  };

  const show = () => {
    const found = chosen();
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const [i, j] = [Number(control.a.value), Number(control.b.value)];
    const heads = ["Row", "Text", "Right answer", `A: ${data.names[i]}`, `B: ${data.names[j]}`].slice(0, single ? 4 : 5);
    const head = make("tr", "", ...heads.map((text) => {
      const cell = make("th", "", text);
      cell.scope = "col";
      return cell;
    }));
    const body = found.slice(page * PAGE, (page + 1) * PAGE).map((row) => {
      const id = make("th", "", foreign(row[0]));
      id.scope = "row";
      id.dataset.head = heads[0];
      const said = make("td", "text", row[1] === "" ? make("span", "none", "not kept") : marked(row, i));
      const right = make("td", "", data.written && judge(row, i) === 0 ? written(row[2], row[3][i], "") : value(row[2], []));
      right.dataset.head = heads[2];
      return make("tr", "", id, said, right, answer(row, i, heads[3]), ...(single ? [] : [answer(row, j, heads[4])]));
    });
    const caption = make("caption", "unseen", "Answers");
    const table = make("table", data.written ? "answers written" : "answers", caption, make("thead", "", head), make("tbody", "", ...body));
    const scroll = make("div", "scroll", table);
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Answers");
    byId("list").replaceChildren(...(found.length ? [scroll] : []));
    byId("found").textContent = `${found.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} test rows`;
    byId("pages").hidden = pages === 1;
    byId("place").textContent = `${page + 1} of ${pages}`;
    byId("earlier").disabled = page === 0;
    byId("later").disabled = page === pages - 1;
  };

  const turn = (by) => {
    page += by;
    show();
    byId("found").scrollIntoView({ block: "start" });
  };
  for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
  byId("filter").hidden = false;
  byId("save-answers").hidden = false;
  byId("save-answers").addEventListener("click", () => save("answers.csv", file()));
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").addEventListener("input", () => { page = 0; show(); });
  byId("earlier").addEventListener("click", () => turn(-1));
  byId("later").addEventListener("click", () => turn(1));
  show();
})();
