"use strict";
(() => {
  const PAGE = 100, DIFF_WORDS = 600;
  const home = document.getElementById("browser");
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  if (!home) return;
  const { subjects, items } = JSON.parse(document.getElementById("data").textContent);

  // Texts only ever become text nodes: nothing that was asked or answered is read as HTML.
  const make = (name, props = {}, ...children) => {
    const node = Object.assign(document.createElement(name), props);
    node.append(...children);
    return node;
  };
  const kindOf = (answer) => !answer || answer.x ? "none" : answer.s >= 100 ? "full" : answer.s > 0 ? "part" : "none";
  const scoreOf = (answer) => answer ? String(Math.round(answer.s * 10) / 10) : "–";
  const own = (item) => item.a[0];

  const filters = [
    ["All questions", () => true],
    ["Not full points", (item) => own(item) && own(item).s < 100],
    ["No points", (item) => own(item) && own(item).s <= 0],
    ["No answer", (item) => own(item) && own(item).x],
  ];
  subjects.slice(1).forEach((other, n) => {
    const both = (item) => own(item) && item.a[n + 1];
    filters.push([`Worse than ${other.label}`, (item) => both(item) && own(item).s < item.a[n + 1].s]);
    filters.push([`Better than ${other.label}`, (item) => both(item) && own(item).s > item.a[n + 1].s]);
  });

  const names = [...new Set(items.map((item) => `${item.c} / ${item.d}`))];
  const option = (value, text) => make("option", { value, textContent: text });
  const filter = make("select", { id: "filter" }, ...filters.map(([name, keep], n) =>
    option(n, `${name} (${items.reduce((sum, item) => sum + (keep(item) ? 1 : 0), 0).toLocaleString("en")})`)));
  const dataset = make("select", { id: "dataset" }, option("", "All datasets"), ...names.map((name) => option(name, name)));
  const order = make("select", { id: "order" }, option("kept", "As in the suite"), option("low", "Lowest score first"));
  const find = make("input", { id: "find", type: "search", placeholder: "in questions and answers", autocomplete: "off" });
  const label = (text, field, className = "") => make("label", { className }, text, field);
  const controls = make("div", { className: "controls" },
    label("Show", filter), label("Dataset", dataset), label("Order", order), label("Search", find, "find"));

  const count = make("output");
  const back = make("button", { type: "button", textContent: "‹", ariaLabel: "Earlier questions" });
  const on = make("button", { type: "button", textContent: "›", ariaLabel: "Later questions" });
  const keys = make("span", { className: "keys" }, make("kbd", { textContent: "j" }), make("kbd", { textContent: "k" }), " move ",
    make("kbd", { textContent: "/" }), " search");
  const status = make("p", { className: "status" }, make("span", {}, count, back, on), keys);
  const list = make("ol", { className: "list" });
  list.setAttribute("aria-label", "Questions");
  const detail = make("div", { className: "detail", tabIndex: 0 });
  detail.setAttribute("role", "region");
  detail.setAttribute("aria-label", "The chosen question");
  home.append(controls, status, make("div", { className: "panes" }, list, detail));

  const texts = new Map();
  const textOf = (item) => {
    if (!texts.has(item)) {
      const parts = [item.id, ...item.m.map(([, text]) => text), item.e];
      item.a.forEach((a) => a && parts.push(a.t || "", a.r || "", a.x || "", ...(a.f || [])));
      texts.set(item, parts.join("\n").toLowerCase());
    }
    return texts.get(item);
  };

  let found = [], first = 0, chosen = 0;
  const sift = () => {
    const keep = filters[filter.value][1], sought = find.value.trim().toLowerCase();
    found = items.filter((item) => keep(item) && (!dataset.value || dataset.value === `${item.c} / ${item.d}`) &&
      (!sought || textOf(item).includes(sought)));
    if (order.value === "low") found.sort((a, b) => (own(a) ? own(a).s : 0) - (own(b) ? own(b).s : 0));
    choose(0);
  };

  const asked = (item) => {
    const users = item.m.filter(([role]) => role === "user");
    return (users.length ? users[users.length - 1] : item.m[item.m.length - 1] || ["", ""])[1];
  };
  const row = (item, n) => {
    const button = make("button", { type: "button" },
      make("span", { className: "ask", textContent: asked(item).slice(0, 200) }),
      make("span", { className: `points ${kindOf(own(item))}`, textContent: scoreOf(own(item)) }),
      make("span", { className: "of", textContent: [item.d, item.e.slice(0, 120)].filter(Boolean).join(" → ") }));
    button.addEventListener("click", () => choose(n, true));
    if (n === chosen) button.setAttribute("aria-current", "true");
    return make("li", {}, button);
  };

  function choose(n, stay = false) {
    chosen = Math.max(0, Math.min(n, found.length - 1));
    first = Math.floor(chosen / PAGE) * PAGE;
    const last = Math.min(first + PAGE, found.length), kept = stay ? list.scrollTop : 0;
    list.replaceChildren(...found.slice(first, last).map((item, at) => row(item, first + at)));
    list.scrollTop = kept;
    count.textContent = found.length ? `${(first + 1).toLocaleString("en")}–${last.toLocaleString("en")} of ${found.length.toLocaleString("en")}` : "0 questions";
    back.disabled = first === 0;
    on.disabled = last >= found.length;
    show(found[chosen]);
  }

  function show(item) {
    detail.scrollTop = 0;
    if (!item) {
      detail.replaceChildren(make("p", { className: "nothing", textContent: "No question is like that." }));
      return;
    }
    const parts = [make("p", { className: "about", textContent: `${item.c} / ${item.d} · ${item.id}` })];
    item.m.forEach(([role, text]) => parts.push(make("h3", { textContent: role }), block(text, role)));
    parts.push(make("h3", { textContent: "Expected" }), block(item.e, "expected"));
    item.a.forEach((answer, n) => answer && parts.push(...told(item, answer, n)));
    detail.replaceChildren(...parts);
  }
  const block = (text, kind) => make("div", { className: `text ${kind}`, textContent: text || "(nothing)" });

  function told(item, answer, n) {
    const facts = [answer.w ? `${answer.w < 1 ? Math.round(answer.w * 1000) + " ms" : answer.w.toFixed(1) + " s"}` : "",
      answer.k ? "from an earlier run" : ""].filter(Boolean).join(" · ");
    const head = make("h3", {}, make("span", {}, make("i", { className: `mark s${n % 8}` }), subjects[n].label),
      make("span", { className: `points ${kindOf(answer)}`, textContent: scoreOf(answer) }), make("small", { textContent: facts }));
    const text = [answer.t, ...(answer.f || [])].filter(Boolean).join("\n");
    const body = make("div", { className: "text answer" });
    if (text && item.e && answer.s < 100) body.append(...differences(item.e, text));
    else body.textContent = text || "(nothing)";
    const parts = [head, body];
    if (answer.r) parts.push(make("p", { className: "why", textContent: answer.r }));
    if (answer.x) parts.push(make("p", { className: "why error", textContent: answer.x }));
    return parts;
  }

  // Words, single signs and single Chinese characters, each with the space after it: what a
  // reader would compare. Space alone is no difference, so JSON may be written on lines or not.
  const words = (text) => text.match(/(?:[\u3040-\u9fff\uf900-\ufaff]|[\p{L}\p{N}_]+|[^\s])\s*/gu) || [];

  function differences(expected, text) {
    const a = words(expected), b = words(text);
    if (a.length > DIFF_WORDS || b.length > DIFF_WORDS) return [text];
    const alike = (i, j) => a[i].trimEnd() === b[j].trimEnd();
    const size = b.length + 1, same = new Uint16Array((a.length + 1) * size);
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        same[i * size + j] = alike(i, j) ? same[(i + 1) * size + j + 1] + 1 : Math.max(same[(i + 1) * size + j], same[i * size + j + 1]);
    if (same[0] < Math.max(a.length, b.length) / 4) return [text];
    const runs = [["", text.match(/^\s*/)[0]]];
    const add = (kind, word) => {
      const last = runs[runs.length - 1];
      if (last[0] === kind) last[1] += word; else runs.push([kind, word]);
    };
    let i = 0, j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && alike(i, j)) { add("", b[j]); i++; j++; }
      else if (j >= b.length || (i < a.length && same[(i + 1) * size + j] >= same[i * size + j + 1])) add("del", a[i++]);
      else add("mark", b[j++]);
    }
    const hints = { del: "expected, but missing", mark: "not expected" };
    return runs.flatMap(([kind, run]) => {
      if (!kind) return [run];
      const space = run.slice(run.trimEnd().length);
      return [make(kind, { textContent: run.trimEnd(), title: hints[kind] }), space];
    });
  }

  const move = (by) => {
    choose(chosen + by, true);
    const button = list.querySelector("[aria-current]");
    if (button) { button.focus({ preventScroll: true }); button.scrollIntoView({ block: "nearest" }); }
  };
  [filter, dataset, order].forEach((field) => field.addEventListener("change", sift));
  let pause;
  find.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(sift, items.length > 2000 ? 200 : 0); });
  back.addEventListener("click", () => choose(first - PAGE));
  on.addEventListener("click", () => choose(first + PAGE));
  home.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { j: 1, k: -1 }[event.key] || (event.target.closest(".list") ? { ArrowDown: 1, ArrowUp: -1 }[event.key] : 0);
    if (by) { event.preventDefault(); move(by); }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, select, textarea")) { event.preventDefault(); find.focus(); }
  });

  filter.value = items.some(filters[1][1]) ? 1 : 0;
  home.hidden = false;
  sift();
})();
