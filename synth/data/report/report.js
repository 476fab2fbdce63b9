"use strict";
// The samples: a list, filters, and the row that is read. Everything that a model or a document wrote becomes text by
// `textContent`, and nothing is ever parsed as markup.
(() => {
  const by = (id) => document.getElementById(id);
  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  // Light and dark: as the system has it, until somebody says otherwise.
  const root = document.documentElement, theme = by("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours"); };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  system.addEventListener("change", name);
  theme.hidden = false;
  name();

  // Which section is being read.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
  }, { rootMargin: "-112px 0px -75% 0px" });
  for (const section of document.querySelectorAll("main > section")) watcher.observe(section);

  if (!by("browser")) return;
  const { texts, rows } = JSON.parse(by("data").textContent);
  const find = by("find"), list = by("rows"), detail = by("row"), count = by("count");
  const said = (number) => (number === undefined ? "" : texts[number]);
  const fate = (row) => (row.status === "ok" ? "accepted" : row.reason || row.status);
  const status = (row) => (row.status === "ok" ? "accepted" : row.status);
  const filters = { task: (row) => row.task, language: (row) => row.query_language, status, reason: (row) => row.reason || "" };

  const haystack = new Map();
  const searched = (row) => {
    if (!haystack.has(row)) {
      const parts = [row.id, row.reason, row.detail, row.type, row.difficulty, row.label, row.document_id];
      for (const key of ["query", "positive", "passage", "instruction", "persona", "title", "source"]) parts.push(said(row[key]));
      for (const negative of row.negatives) parts.push(said(negative[0]));
      for (const question of row.asked) {
        for (const turn of question.turns) parts.push(said(turn[1]));
        parts.push(said(question.answer));
      }
      haystack.set(row, parts.filter(Boolean).join("\n").toLowerCase());
    }
    return haystack.get(row);
  };

  let shown = [], at = -1;
  const words = () => find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const option = (value, text) => { const made = make("option", "", text); made.value = value; return made; };
  const fits = (row, except) =>
    Object.keys(filters).every((key) => key === except || !by(key).value || filters[key](row) === by(key).value);

  function offer() {
    // Each list has what the other filters leave, with how many.
    const hits = rows.filter((row) => words().every((word) => searched(row).includes(word)));
    for (const key of Object.keys(filters)) {
      const numbers = new Map();
      for (const row of hits) if (fits(row, key) && filters[key](row)) numbers.set(filters[key](row), (numbers.get(filters[key](row)) || 0) + 1);
      const select = by(key), chosen = select.value;
      if (chosen && !numbers.has(chosen)) numbers.set(chosen, 0);
      const sorted = [...numbers].sort((one, two) => two[1] - one[1] || (one[0] < two[0] ? -1 : 1));
      select.replaceChildren(option("", "all"), ...sorted.map(([value, number]) => option(value, `${value} (${number})`)));
      select.value = chosen;
    }
    return hits.filter((row) => fits(row));
  }

  function update() {
    const before = shown[at];
    shown = offer();
    list.replaceChildren(...shown.map(item));
    count.textContent = shown.length === rows.length ? `${rows.length} rows` : `${shown.length} of ${rows.length} rows`;
    if (!shown.length) list.append(make("li", "empty", "No row has all of this."));
    choose(Math.max(0, shown.indexOf(before)));
  }

  function item(row, number) {
    const node = make("li");
    node.id = `sample-${number}`;
    node.setAttribute("role", "option");
    const query = make("span", row.query === undefined ? "q none" : "q", row.query === undefined ? `no query${row.title === undefined ? "" : `: ${said(row.title)}`}` : said(row.query).slice(0, 300));
    query.dir = "auto";
    const meta = make("span", "meta");
    meta.append(make("span", `dot ${row.status}`, fate(row)), make("span", "", row.task), make("span", "", row.query_language));
    node.append(query, meta);
    node.addEventListener("click", () => choose(number));
    return node;
  }

  function choose(number) {
    at = shown.length ? Math.min(Math.max(number, 0), shown.length - 1) : -1;
    for (const node of list.children) node.setAttribute("aria-selected", String(node.id === `sample-${at}`));
    if (at < 0) {
      list.removeAttribute("aria-activedescendant");
      detail.replaceChildren(make("p", "empty", "Nothing to read: widen the filters."));
      return;
    }
    list.setAttribute("aria-activedescendant", `sample-${at}`);
    const node = list.children[at];
    const top = node.offsetTop - list.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + node.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + node.offsetHeight - list.clientHeight;
    read(shown[at]);
  }

  // A text as it is, with the words that were looked for marked.
  function text(value, name) {
    const node = make("p", `text ${name || ""}`);
    node.dir = "auto";
    if (name && name.includes("long")) node.tabIndex = 0; // it scrolls, by the keyboard, too
    const wanted = words().map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    if (!wanted.length) { node.textContent = value; return node; }
    value.split(new RegExp(`(${wanted.join("|")})`, "giu")).forEach((part, number) => part && node.append(number % 2 ? make("mark", "", part) : part));
    return node;
  }

  function titled(title, ...nodes) {
    return [make("h4", "", title), ...nodes];
  }

  function folded(title, ...nodes) {
    const node = make("details");
    node.append(make("summary", "", title), ...nodes);
    return node;
  }

  function asked(row) {
    const side = make("div");
    side.append(make("h3", "", "What was asked"));
    if (!row.asked.length) side.append(make("p", "lead", "The journal of this run has no prompts of this row."));
    for (const question of row.asked) {
      const last = question.turns.length - 1;
      side.append(make("h4", "", question.step));
      if (last > 0) {
        const turns = question.turns.slice(0, last).flatMap(([role, number]) => titled(role, text(said(number), "raw long")));
        side.append(folded(`${last} ${last === 1 ? "turn" : "turns"} before it`, ...turns));
      }
      side.append(...titled(question.turns[last][0], text(said(question.turns[last][1]), "raw long")));
      if (question.answer === undefined) side.append(...titled("answer", make("p", "lead", "The engine gave none.")));
      else side.append(...titled(`answer, ${question.tokens[1]} tokens${question.finish === "length" ? ", cut off" : ""}`, text(said(question.answer), "raw answer")));
    }
    return side;
  }

  function pairs(entries) {
    const node = make("dl", "pairs");
    for (const [key, value] of entries) if (value !== undefined && value !== "") node.append(make("dt", "", key), make("dd", "", String(value)));
    return node;
  }

  function negative([number, score, kind, grade, relevance]) {
    const node = make("div", "neg"), side = make("div", "score", score.toFixed(3).replace("-", "−")), bar = make("i"), body = make("div");
    bar.style.width = `${Math.max(2, Math.min(100, score * 100))}%`;
    side.append(bar);
    const words = text(said(number));
    const more = [kind, grade === null ? "" : `graded ${grade}`, relevance === null ? "" : `reranker ${relevance.toFixed(3)}`];
    body.append(words, make("span", "meta", more.filter(Boolean).join(" · ")));
    if (said(number).length > 240) {
      const open = make("button", "", "all of it");
      open.type = "button";
      open.addEventListener("click", () => { open.textContent = words.classList.toggle("open") ? "less" : "all of it"; });
      body.append(open);
    }
    node.append(side, body);
    return node;
  }

  function made(row) {
    const side = make("div");
    side.append(make("h3", "", "What was made of it"));
    if (row.query !== undefined) side.append(...titled("query", text(said(row.query), "query")));
    if (row.positive !== undefined && row.query !== undefined) side.append(...titled("positive", text(said(row.positive), "long")));
    if (row.passage !== undefined && (row.passage !== row.positive || row.query === undefined)) {
      side.append(row.query === undefined ? make("h4", "", "passage") : "", row.query === undefined ? text(said(row.passage), "long") : folded("passage", text(said(row.passage))));
    }
    side.append(pairs([
      ["cosine", row.cosine === undefined || row.cosine === null ? undefined : row.cosine.toFixed(3)], ["rank", row.rank ?? undefined],
      ["reranker", row.positive_rerank ?? undefined], ["similarity", row.similarity ?? undefined],
      ["type", row.type], ["difficulty", row.difficulty], ["length", row.length && row.words ? `${row.length}, ${row.words} words` : row.length], ["clarity", row.clarity],
      ["label", row.label], ["persona", said(row.persona)], ["instruction", said(row.instruction)],
      ["language", row.positive_language && row.positive_language !== row.query_language ? `query ${row.query_language}, positive ${row.positive_language}` : row.query_language],
      ["target", row.cell], ["round", row.round > 1 ? row.round : undefined], ["duplicate of", row.cluster && row.cluster !== row.id ? row.cluster : undefined],
      ["title", said(row.title)], ["source", said(row.source)], ["document", row.document_id],
    ]));
    if (row.negatives.length) side.append(...titled(row.negatives.length === 1 ? "1 negative, with its cosine to the query" : `${row.negatives.length} negatives, with their cosines to the query`, ...row.negatives.map(negative)));
    return side;
  }

  function read(row) {
    const top = make("div", "top"), sides = make("div", "sides");
    const told = row.status === "ok" ? "accepted" : `${row.status}: ${row.reason}${row.detail ? `: ${row.detail}` : ""}`;
    top.append(make("span", `fate dot ${row.status}`, told), make("span", "id", row.id));
    sides.append(asked(row), made(row));
    detail.replaceChildren(top, sides);
    detail.scrollTop = 0;
  }

  function focus(node) {
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select, textarea");
    const reading = list.contains(event.target) || detail.contains(event.target);
    const step = { j: 1, k: -1, ...(event.target === list ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
    if (event.key === "Escape") {
      if (event.target === find && find.value) { find.value = ""; update(); }
      else if (typing || detail.contains(event.target)) focus(list);
    } else if (event.key === "Enter" && event.target === find) focus(list);
    else if (event.key === "Enter" && event.target === list) focus(detail);
    else if (typing) return;
    else if (event.key === "/") focus(find);
    else if (step) { choose(at + step); if (!reading) focus(list); }
    else if (event.target === list && event.key === "Home") choose(0);
    else if (event.target === list && event.key === "End") choose(shown.length - 1);
    else return;
    event.preventDefault();
  });
  find.addEventListener("input", update);
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const key of Object.keys(filters)) by(key).addEventListener("change", update);
  by("all").addEventListener("click", () => { find.value = ""; for (const key of Object.keys(filters)) by(key).value = ""; update(); });
  by("browser").hidden = false;
  update();
})();
