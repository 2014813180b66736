"use strict";
// Findings of a patient, typed or read from a letter or a phenopacket, and the diseases that fit them.

const diagnosis = (() => {
  const TYPING_MS = 120, FOUND = 8, DISEASES = 10, SHOWN_FOR = 3, SHOWN_UNREAD = 12;
  const findings = new Map();
  let found = [], foundFor = "", active = -1, searched = 0, timer = null, leaving = null;

  // ---- terms while somebody types

  const box = at("finding"), list = at("found");

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, TYPING_MS);
  });
  box.addEventListener("keydown", async (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      event.preventDefault();
      mark((active + step + found.length) % found.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const excluded = event.shiftKey || at("as-excluded").checked;
      // terms of what was typed before are never taken for what stands there now
      if (foundFor !== box.value.trim()) await search();
      if (found.length) add(found[Math.max(active, 0)], excluded);
    } else if (event.key === "Escape") close();
  });
  box.addEventListener("blur", () => { leaving = setTimeout(close, 200); });
  // whoever comes back at once goes on typing
  box.addEventListener("focus", () => clearTimeout(leaving));

  async function search() {
    const mine = ++searched, typed = box.value.trim();
    clearTimeout(timer);
    if (!typed) { close(); return; }
    try {
      const answer = await ask(`/v1/diagnosis/terms?n=${FOUND}&q=${encodeURIComponent(typed.slice(0, 200))}`);
      // what was typed since then is asked for by itself
      if (mine === searched) show(answer.terms, typed);
    } catch (error) {
      if (mine === searched) say(error.message);
    }
  }

  function show(terms, typed) {
    found = terms; foundFor = typed; active = -1;
    list.replaceChildren(...terms.map((term, i) => {
      const option = make("li", { id: `found-${i}`, role: "option", "aria-selected": "false" },
        make("span", { text: term.name }),
        make("small", { text: [term.term, ...(term.synonym ? [`also: ${term.synonym}`] : [])].join(", ") }));
      // before the box loses the focus
      option.addEventListener("mousedown", (event) => { event.preventDefault(); add(term, at("as-excluded").checked); });
      return option;
    }));
    list.hidden = !terms.length;
    box.setAttribute("aria-expanded", String(terms.length > 0));
    if (terms.length) mark(0);
    say(terms.length ? "" : "No term of the HPO has these words.");
  }

  function mark(i) {
    active = i;
    [...list.children].forEach((option, j) => option.setAttribute("aria-selected", String(i === j)));
    box.setAttribute("aria-activedescendant", `found-${i}`);
    list.children[i].scrollIntoView({ block: "nearest" });
  }

  function close() {
    searched++;
    found = []; foundFor = ""; active = -1;
    list.replaceChildren();
    list.hidden = true;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  }

  function say(text) { at("finding-said").textContent = text; }

  function add(term, excluded, weight = 1) {
    findings.set(term.term, { term: term.term, name: term.name, excluded, weight });
    box.value = "";
    close();
    say(`${term.name}: ${excluded ? "excluded" : "observed"}.`);
    draw();
  }

  // ---- the list of findings

  function draw() {
    const ordered = [...findings.values()].sort((a, b) => a.excluded - b.excluded);
    at("findings").replaceChildren(...ordered.map((one) => {
      const state = make("button", { type: "button", class: one.excluded ? "state excluded" : "state", text: one.excluded ? "has not" : "has", "aria-label": `${one.name}: ${one.excluded ? "excluded" : "observed"}. Change.` });
      state.addEventListener("click", () => {
        one.excluded = !one.excluded;
        draw();
        at("findings").querySelector(`[data-term="${one.term}"] .state`).focus();
      });
      const remove = make("button", { type: "button", class: "remove", text: "\u00d7", "aria-label": `Remove ${one.name}` });
      remove.addEventListener("click", () => { findings.delete(one.term); draw(); box.focus(); });
      return make("li", { "data-term": one.term }, state,
        make("span", { class: "name" }, one.name, make("small", { text: one.term + (one.weight < 1 ? `, unsure (weight ${number(one.weight)})` : "") })), remove);
    }));
    at("no-findings").hidden = findings.size > 0;
    at("rank").disabled = findings.size === 0;
    at("forget").hidden = findings.size === 0;
  }

  at("forget").addEventListener("click", () => { findings.clear(); draw(); box.focus(); });
  at("rank").addEventListener("click", rank);

  function take(symptoms) {
    for (const one of symptoms) findings.set(one.term, { term: one.term, name: one.name, excluded: one.excluded, weight: one.weight });
    draw();
  }

  // ---- asking

  function post(body) {
    return ask("/v1/diagnosis/rank", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }

  async function rank() {
    const all = [...findings.values()];
    const terms = (excluded) => all.filter((one) => one.excluded === excluded).map((one) => one.term);
    const unsure = all.filter((one) => one.weight < 1);
    const body = { observed: terms(false), excluded: terms(true), n: DISEASES, explain: DISEASES };
    if (unsure.length) body.weights = Object.fromEntries(unsure.map((one) => [one.term, one.weight]));
    const answer = await waiting(() => post(body));
    if (answer) showRanking(answer);
  }

  at("letter-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = at("letter").value.trim();
    if (!text) { fail(new Error("Write or paste some text.")); return; }
    const answer = await waiting(() => post({ text, n: DISEASES, explain: DISEASES }));
    if (answer) await taken(answer);
  });

  async function readFile(file) {
    const form = new FormData();
    form.append("file", file);
    form.append("n", String(DISEASES));
    form.append("explain", String(DISEASES));
    const answer = await waiting(() => ask("/v1/diagnosis/rank", { method: "POST", body: form }));
    if (answer) { findings.clear(); await taken(answer); }
  }

  // what was read joins the findings that are there; with others, the list is ranked again
  async function taken(answer) {
    const [one] = answer.cases, others = findings.size > 0;
    take(one.symptoms ?? []);
    const rest = one.not_read;
    if (others && one.status === "scored") {
      await rank();
      at("result").append(...unread(rest));
    } else showRanking(answer);
  }

  // ---- the answer

  const percent = (p) => p < 0.001 ? "under 0.1 %" : `${Number((100 * p).toPrecision(2))} %`;
  const lower = (name) => /^.[a-z ]/.test(name) ? name[0].toLowerCase() + name.slice(1) : name;
  const written = (reason) => (reason.excluded ? "no " : "") + lower(reason.name);

  function strongest(reasons, sign) {
    return reasons.filter((reason) => sign * reason.log_ratio > 0).slice(0, SHOWN_FOR).map(written).join("; ");
  }

  function showRanking(answer) {
    const [one] = answer.cases;
    if (one.status === "refused") {
      done(make("div", { class: "verdict flagged" }, make("strong", { text: "No disease can be ranked" }), make("span", { text: `${one.reason}.` })),
        ...unread(one.not_read), ...knowledge(answer));
      return;
    }
    const [first] = one.diseases, sure = first.probability !== undefined;
    const head = make("div", { class: one.cautions.length ? "verdict unsure" : "verdict" },
      make("strong", { text: `${first.disease_name} fits best` }),
      make("span", { text: (sure ? `Probability ${percent(first.probability)}. That it is none of these: ${percent(one.none_of_these)}. ` : "") + `p-value ${number(one.p_value)}: the share of patients with a known disease who look at most as much like one.` }));
    const inside = one.diseases.filter((disease) => disease.in_set).length;
    const set = one.set_size === undefined ? [] : [make("p", { class: "hint", text: `The set that holds the right disease in ${number(100 * answer.set_coverage)} % of such cases has ${one.set_size.toLocaleString("en")} disease${one.set_size === 1 ? "" : "s"}; ${inside} of them ${inside === 1 ? "is" : "are"} shown. Probabilities and sets hold for cases like those of calibration, which were published.` })];
    const scale = Math.max(...one.diseases.flatMap((disease) => (disease.reasons || []).map((reason) => Math.abs(reason.log_ratio))), 1e-9);
    done(head, ...one.cautions.map((text) => make("p", { class: "finding", text })),
      make("h3", { text: "Diseases in order" }),
      make("p", { class: "hint", text: "Open a disease to see what each finding says, and who says so." }),
      make("ol", { class: "diseases" }, ...one.diseases.map((disease) => diseaseOf(disease, scale, answer.set_coverage))),
      ...set, ...questions(one.look_for_next || []), ...unread(one.not_read), ...knowledge(answer));
  }

  function diseaseOf(disease, scale, coverage) {
    const reasons = disease.reasons || [], speaks = strongest(reasons, 1), against = strongest(reasons, -1);
    const chance = disease.probability === undefined ? [] : [make("span", { class: "chance", text: percent(disease.probability) })];
    const badge = disease.in_set && coverage !== undefined ? [make("span", { class: "tag", text: `in the ${number(100 * coverage)} % set` })] : [];
    const said = [
      ...(speaks ? [make("span", { class: "for" }, make("b", { text: "For: " }), speaks)] : []),
      ...(against ? [make("span", { class: "against" }, make("b", { text: "Against: " }), against)] : []),
    ];
    return make("li", {}, make("details", {},
      make("summary", {},
        make("span", { class: "rank", text: String(disease.rank) }),
        make("span", { class: "named" }, make("strong", { text: disease.disease_name }), make("span", { class: "small" }, disease.disease, ...badge), ...said),
        ...chance),
      reasonsOf(reasons, scale)));
  }

  function reasonsOf(reasons, scale) {
    if (!reasons.length) return make("p", { class: "hint", text: "No finding says anything of it." });
    const heads = ["Finding", "Against or for", "Known of this disease", "How often", "Who says so"];
    const reading = make("p", { class: "hint", text: "The bar is the logarithm of the likelihood ratio: how much more often this disease has the finding than diseases have it on average. To the right it speaks for the disease, to the left against it. Excluded findings count less." });
    return make("div", {}, reading, make("div", { class: "wide-table" }, make("table", { class: "reasons" },
      make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))),
      make("tbody", {}, ...reasons.map((reason) => {
        const bar = make("span", { class: reason.log_ratio >= 0 ? "half for" : "half against" });
        bar.style.width = `${50 * Math.min(1, Math.abs(reason.log_ratio) / scale)}%`;
        const same = reason.matched_term === reason.term;
        return make("tr", {},
          make("th", { scope: "row" }, `${reason.excluded ? "excluded: " : ""}${reason.excluded ? lower(reason.name) : reason.name}`, make("small", { text: reason.term + (reason.weight < 1 ? `, weight ${number(reason.weight)}` : "") })),
          make("td", {}, make("span", { class: "scale" }, bar), make("small", { text: (reason.log_ratio >= 0 ? "+" : "\u2212") + Math.abs(reason.log_ratio).toFixed(2) })),
          make("td", {}, same ? "the same" : reason.matched_name ?? "nothing like it", ...(same || !reason.matched_term ? [] : [make("small", { text: reason.matched_term })])),
          make("td", {}, reason.frequency ? percent(reason.frequency) : "\u2013", ...(reason.frequency && reason.stated ? [make("small", { text: reason.stated })] : [])),
          make("td", { text: (reason.reference ?? "").replaceAll(";", ", ") }));
      })))));
  }

  function questions(asked) {
    if (!asked.length) return [];
    return [make("h3", { text: "What to ask next" }),
      make("p", { class: "hint", text: "Whether the patient has these is expected to tell most about which disease of the list it is. An answer ranks again." }),
      make("ul", { class: "questions" }, ...asked.map((question) => {
        const buttons = [["Yes", false], ["No", true]].map(([text, excluded]) => {
          const button = make("button", { type: "button", class: "pick", text, "aria-label": `${question.name}: ${text.toLowerCase()}` });
          button.addEventListener("click", () => { add(question, excluded); rank(); });
          return button;
        });
        return make("li", {},
          make("span", { class: "name" }, make("strong", { text: question.name }), make("small", { text: `Expected with ${percent(question.yes)}. Yes speaks for ${question.for_name}, and against ${question.against_name}.` })),
          make("span", { class: "answers" }, ...buttons));
      }))];
  }

  function unread(parts) {
    if (!parts.length) return [];
    const rest = parts.length - SHOWN_UNREAD;
    return [make("h3", { text: "What was not read, or otherwise than written" }),
      ...parts.slice(0, SHOWN_UNREAD).map((part) => make("p", { class: "finding" }, make("strong", { text: part.given ? `${part.given}: ` : "" }), part.reason)),
      ...(rest > 0 ? [make("p", { class: "hint", text: `And ${rest} more.` })] : [])];
  }

  function knowledge(answer) {
    return [make("p", { class: "hint", text: `Knowledge: ${answer.knowledge.ontology}, ${answer.knowledge.annotations}${answer.knowledge.prevalences ? `; prevalences: ${answer.knowledge.prevalences}` : ""}. ${answer.knowledge.licence}` }),
      make("p", { class: "hint", text: `Model ${answer.model.name.replaceAll("_", " ")}, bundle ${answer.model.bundle.slice(0, 12)}.` }),
      make("p", { class: "hint", text: answer.notice })];
  }

  draw();
  return { readFile };
})();
