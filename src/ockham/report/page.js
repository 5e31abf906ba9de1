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

  // The numbers of each chart open for printing.
  let shut = [];
  addEventListener("beforeprint", () => {
    shut = [...document.querySelectorAll("details:not([open])")];
    shut.forEach((d) => { d.open = true; });
  });
  addEventListener("afterprint", () => shut.forEach((d) => { d.open = false; }));

  // The answers, filtered. Texts come in cleaned and are only ever set as text.
  const source = byId("rows");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const PAGE = 50;
  let page = 0;
  const control = { find: byId("find"), label: byId("label"), a: byId("a"), b: byId("b"), mode: byId("mode") };
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

  const chosen = () => {
    const words = control.find.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const [i, j] = [Number(control.a.value), Number(control.b.value)];
    const target = control.label.value === "" ? null : Number(control.label.value);
    const test = tests[control.mode.value];
    return data.rows.filter((row, n) =>
      (target === null || row[2] === target)
      && test(row[4][i], row[4][j], row, i, j)
      && words.every((word) => folded[n].includes(word)));
  };

  const answer = (row, i, head) => {
    const mark = row[4][i];
    const cell = make("td", mark === 1 ? "yes" : mark === 0 ? "no" : "open");
    cell.dataset.head = head;
    const sign = make("span", "sign", mark === 1 ? "✓" : mark === 0 ? "✕" : "?");
    sign.setAttribute("aria-hidden", "true");
    const word = make("span", "unseen", mark === 1 ? "right: " : mark === 0 ? "wrong: " : "not judged: ");
    cell.append(sign, word, row[3][i] < 0 ? make("span", "none", "no valid answer") : foreign(data.strings[row[3][i]]));
    if (row[5][i] >= 0) cell.append(make("span", "small", `confidence ${row[5][i]}\u00a0%`));
    return cell;
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
      const said = make("td", "text", row[1] === "" ? make("span", "none", "not kept") : foreign(row[1], "said"));
      const right = make("td", "", foreign(data.strings[row[2]]));
      right.dataset.head = heads[2];
      return make("tr", "", id, said, right, answer(row, i, heads[3]), ...(single ? [] : [answer(row, j, heads[4])]));
    });
    const caption = make("caption", "unseen", "Answers");
    const table = make("table", "answers", caption, make("thead", "", head), make("tbody", "", ...body));
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
  byId("filter").hidden = false;
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").addEventListener("input", () => { page = 0; show(); });
  byId("earlier").addEventListener("click", () => turn(-1));
  byId("later").addEventListener("click", () => turn(1));
  show();
})();
