"use strict";
// Every text from data goes in by textContent: nothing that a file holds can become part of the page.

const SHOWN_ROWS = 200, SHOWN_REASONS = 8, STRIP_SECONDS = 10;
const at = (id) => document.getElementById(id);
const MODALITIES = ["tabular", "signals", "imaging", "diagnosis"];
let described = null;
let turn = 0;

function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function headers(more = {}) {
  const key = at("key").value.trim();
  return key ? { ...more, "X-API-Key": key } : more;
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: headers(options.headers) });
  const content = await answer.json().catch(() => ({ detail: "The service gave no answer that can be read." }));
  if (answer.status === 401 || answer.status === 403) at("key-row").hidden = false;
  if (!answer.ok) throw new Error(content.detail || `The service answered ${answer.status}.`);
  return content;
}

// ---- the state of the service

async function connect() {
  const status = at("status");
  try {
    const ready = await ask("/health/ready");
    status.textContent = `Ready: ${ready.models} models`;
    status.className = "status good";
    at("version").textContent = `Models ${ready.version}`;
  } catch (error) {
    status.textContent = error.message;
    status.className = "status bad";
    setTimeout(connect, 3000);
    return;
  }
  try {
    described = await ask("/v1/models");
  } catch (error) {
    fail(error);
    return;
  }
  for (const name of MODALITIES) {
    at(`tab-${name}`).disabled = !described.modalities.includes(name);
    at(`tab-${name}`).title = at(`tab-${name}`).disabled ? "No model here takes these" : "";
  }
  const first = MODALITIES.find((name) => described.modalities.includes(name));
  if (first && at("tab-tabular").disabled) choose(first);
  if (described.inputs.tabular) showFields(described.inputs.tabular.columns);
}

// ---- tabs

const tabs = [...document.querySelectorAll("[role=tab]")];

function choose(name, focus = false) {
  for (const tab of tabs) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    at(tab.getAttribute("aria-controls")).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  // a ranked list flags nobody, and alarms were flagged before
  at("alpha-row").hidden = name === "diagnosis" || name === "reviews";
  if (name === "reviews") reviews.open();
}

for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab.id.slice(4)));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const usable = tabs.filter((each) => !each.disabled);
    const next = usable[(usable.indexOf(tab) + step + usable.length) % usable.length];
    choose(next.id.slice(4), true);
  });
}

// ---- files

for (const name of MODALITIES) {
  const input = at(`file-${name}`);
  const drop = document.querySelector(`label[for=file-${name}]`);
  input.addEventListener("change", () => { if (input.files.length) given(name, [...input.files]); });
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  drop.addEventListener("drop", (event) => { if (event.dataTransfer.files.length) given(name, [...event.dataTransfer.files]); });
}

function given(name, files) {
  if (name === "tabular") readTable(files[0]);
  else if (name === "diagnosis") diagnosis.readFile(files[0]);
  else upload(name, files);
}

async function upload(name, files) {
  const form = new FormData();
  for (const file of files) form.append("file", file);
  if (at("alpha").value) form.append("alpha", at("alpha").value);
  if (name === "signals" && at("fs").value) form.append("fs", at("fs").value);
  form.append(name === "signals" ? "strip" : "maps", "true");
  const answer = await waiting(() => ask(`/v1/${name}/explain`, { method: "POST", body: form }));
  if (answer && name === "signals") showRecording(answer);
  else if (answer) showCases(answer);
}

// ---- tables

function parse(text) {
  const head = text.slice(0, text.search(/[\r\n]|$/));
  const mark = [";", "\t", ","].reduce((best, each) => (head.split(each).length > head.split(best).length ? each : best), ",");
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') { cell += c; i++; }
      else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === mark) { row.push(cell); cell = ""; }
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i++;
      row.push(cell); cell = "";
      if (row.some((each) => each !== "")) rows.push(row);
      row = [];
      if (rows.length > SHOWN_ROWS) return rows;
    } else cell += c;
  }
  row.push(cell);
  if (row.some((each) => each !== "")) rows.push(row);
  return rows;
}

async function readTable(file) {
  const rows = parse((await file.text()).replace(/^\uFEFF/, ""));
  if (rows.length < 2) { fail(new Error("The file holds no rows below its header.")); return; }
  const [names, ...records] = rows;
  const table = at("rows-table");
  const head = make("tr", {}, make("td"), ...names.map((name) => make("th", { scope: "col", text: name })));
  const body = records.slice(0, SHOWN_ROWS).map((cells, i) => {
    const pick = make("button", { type: "button", class: "pick", "aria-pressed": "false", "aria-label": `Score row ${i + 1}`, text: `Row ${i + 1}` });
    pick.addEventListener("click", () => {
      for (const other of table.querySelectorAll(".pick")) other.setAttribute("aria-pressed", String(other === pick));
      // an empty cell is a missing value
      scoreRecord(Object.fromEntries(names.map((name, j) => [name, (cells[j] ?? "") === "" ? null : plain(cells[j])])));
    });
    return make("tr", {}, make("td", {}, pick), ...names.map((_, j) => make("td", { text: cells[j] ?? "" })));
  });
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  at("rows").hidden = false;
  table.querySelector(".pick").focus();
}

// what is written as a plain number is one; anything else is read by the service as training read it
function plain(text) {
  return /^-?(0|[1-9]\d{0,14})(\.\d{1,12})?$/.test(text) ? Number(text) : text;
}

function showFields(columns) {
  at("fields").replaceChildren(...columns.map((column, i) => {
    const id = `field-${i}`;
    const input = column.levels.length
      ? make("select", { id }, make("option", { value: "", text: "" }), ...column.levels.map((level) => make("option", { value: level, text: level })))
      : make("input", { id, type: "text", inputmode: column.kind === "number" ? "decimal" : "text" });
    input.dataset.column = column.name;
    return make("div", {}, make("label", { for: id, text: column.name + (column.unit ? ` (${column.unit})` : "") }), input);
  }));
}

at("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  const entries = [...at("fields").querySelectorAll("[data-column]")].filter((each) => each.value.trim() !== "");
  if (!entries.length) { fail(new Error("Fill in at least one value.")); return; }
  scoreRecord(Object.fromEntries(entries.map((each) => [each.dataset.column, plain(each.value.trim())])));
});

async function scoreRecord(record) {
  const body = { records: record, explain: 1 };
  if (at("alpha").value) body.alpha = Number(at("alpha").value);
  const answer = await waiting(() => ask("/v1/tabular/explain", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  }));
  if (answer) showCases(answer);
}

// ---- answers

async function waiting(work) {
  const mine = ++turn;
  const result = at("result");
  result.replaceChildren(make("p", { class: "hint busy", text: "Scoring" }));
  document.body.dataset.state = "waiting";
  try {
    const answer = await work();
    // an answer that somebody waited for no longer is not shown
    return mine === turn ? answer : null;
  } catch (error) {
    if (mine === turn) fail(error);
    return null;
  }
}

function fail(error) {
  at("result").replaceChildren(make("p", { class: "error", role: "alert", text: error.message }));
  document.body.dataset.state = "failed";
}

function done(...children) {
  at("result").replaceChildren(...children);
  document.body.dataset.state = "done";
  at("answer-title").focus();
}

const number = (value) => Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)));

// "imaging_boxes.box_detector" is read as "box detector (imaging boxes)"
const called = (model) => {
  const [name, ...before] = model.replaceAll("_", " ").split(".").reverse();
  return before.length ? `${name} (${before.reverse().join(".")})` : name;
};

function words(p, model = "", modality = "") {
  const floor = described?.models.find((each) => each.name === `${modality}.${model}`)?.p_value_floor;
  if (floor && p <= 1.000001 * floor) return `None of the ${(Math.round(1 / floor) - 1).toLocaleString("en")} usual cases it was compared with looks as unusual.`;
  if (p >= 0.5) return "More usual than half of the usual cases.";
  return `About 1 in ${Math.max(2, Math.round(1 / p)).toLocaleString("en")} usual cases looks at least as unusual.`;
}

function verdict(noun, answers) {
  const flagged = answers.filter((answer) => answer.flagged);
  const box = make("div", { class: flagged.length ? "verdict flagged" : "verdict" });
  const alpha = answers.find((answer) => answer.alpha !== undefined)?.alpha;
  box.append(
    make("strong", { text: flagged.length ? `Unusual ${noun}` : `No unusual ${noun}` }),
    make("span", { text: `${flagged.length} of ${answers.length} models flag it` + (alpha === undefined ? "." : `, at a false-alarm rate of ${number(100 * alpha)} %.`) }),
  );
  return box;
}

function modelTable(answers, modality) {
  const head = make("tr", {}, ...["Model", "Score", "p-value", "In words"].map((text, i) => make("th", { scope: "col", text, class: i === 3 ? "wide" : "" })));
  const body = answers.map((answer) => make("tr", {},
    make("th", { scope: "row", text: called(answer.model) }),
    make("td", { class: "figure", text: answer.score === undefined ? `${number(100 * answer.probability)} %` : number(answer.score) }),
    make("td", { class: "figure" }, make("span", { class: answer.flagged ? "tag flagged" : "tag", text: answer.p_value === undefined ? "" : `${number(answer.p_value)}${answer.flagged ? " (flagged)" : ""}` })),
    make("td", { class: "wide", text: answer.p_value === undefined ? "Probability that it belongs to the group the model learned." : words(answer.p_value, answer.model, modality) }),
  ));
  return make("div", { class: "wide-table" }, make("table", {}, make("caption", { class: "hint", text: "A low p-value: few usual cases look as unusual as this one." }), make("thead", {}, head), make("tbody", {}, ...body)));
}

function reasonTable(answer) {
  const reasons = (answer.reasons || []).filter((reason) => reason.contribution > 0).slice(0, SHOWN_REASONS);
  if (!reasons.length) return make("p", { class: "hint", text: "This model gives no reasons." });
  const most = reasons[0].contribution;
  return make("div", { class: "wide-table" }, make("table", {},
    make("thead", {}, make("tr", {}, ...["What", "Value", "Usual", "Adds"].map((text) => make("th", { scope: "col", text })))),
    make("tbody", {}, ...reasons.map((reason) => {
      const bar = make("span", { class: "bar" });
      bar.style.width = `${Math.max(2, 100 * reason.contribution / most)}%`;
      const usual = reason.usual_low === undefined ? "" : `${number(reason.usual_low)} to ${number(reason.usual_high)}`;
      return make("tr", {},
        make("th", { scope: "row", text: reason.feature }),
        make("td", { text: reason.value === "missing" ? "missing" : [reason.value, reason.unit].filter((each) => each).join(" ") }),
        make("td", { text: usual }),
        make("td", { class: "figure" }, bar, make("span", { class: "hint", text: number(reason.contribution) })));
    }))));
}

function whyOf(answers) {
  const usable = answers.filter((answer) => (answer.reasons || []).length);
  if (!usable.length) return [];
  const pick = make("select", { id: "why-model" }, ...usable.map((answer, i) => make("option", { value: i, text: called(answer.model) })));
  const lowest = usable.reduce((best, answer, i) => ((answer.p_value ?? 1) < (usable[best].p_value ?? 1) ? i : best), 0);
  pick.value = String(lowest);
  const place = make("div", {}, reasonTable(usable[lowest]));
  pick.addEventListener("change", () => place.replaceChildren(reasonTable(usable[Number(pick.value)])));
  return [make("h3", { text: "Why" }), make("div", { class: "row" }, make("label", { for: "why-model", text: "Reasons of the model" }), pick), place];
}

function classesOf(found) {
  return (found || []).flatMap((said) => [make("h3", { text: `Which class, by ${said.model.split(".").pop().replaceAll("_", " ")}` }),
    make("p", {}, make("strong", { text: said.abstains ? "None is named. " : `${said.class}. ` }),
      said.abstains ? `${said.reason}.` : `Probability ${number(100 * said.probability)} %. p-value ${number(said.p_value)}: the share of known records that look at least as unusual.`),
    make("div", { class: "wide-table" }, make("table", {},
      make("thead", {}, make("tr", {}, ...["Class", "Probability", "In the set"].map((text) => make("th", { scope: "col", text })))),
      make("tbody", {}, ...said.classes.map((one) => make("tr", {}, make("th", { scope: "row", text: one.class }),
        make("td", { class: "figure", text: `${number(100 * one.probability)} %` }), make("td", { text: one.in_set ? "yes" : "" })))))),
    ...(said.reasons ? [make("h4", { text: `What speaks for ${said.abstains ? "the nearest class" : said.class}` }), reasonTable(said)] : [])]);
}

function findingsOf(found) {
  if (!(found || []).length) return [];
  return [make("h3", { text: "What looks wrong in the data" }), ...found.map((finding) => make("p", { class: "finding" },
    make("strong", { text: finding.column ? `${finding.column}: ` : "" }), finding.message,
    make("span", { text: finding.suggested_value ? `. Probably meant: ${finding.suggested_value}` : "" })))];
}

function closing(answer) {
  const out = [];
  const broken = Object.values(answer.p_values_hold).filter((hold) => hold.verdict === "broken");
  if (broken.length) out.push(make("p", { class: "finding", text: `The p-values may not hold: ${broken[0].reason}.` }));
  for (const note of answer.notes.slice(0, 5)) out.push(make("p", { class: "hint", text: note }));
  out.push(make("p", { class: "hint", text: answer.notice }));
  return out;
}

function showCases(answer) {
  const [found] = answer.cases;
  const noun = described?.inputs?.[answer.modality]?.noun ?? "case";
  if (!found || found.status === "refused") {
    done(make("div", { class: "verdict flagged" }, make("strong", { text: "It cannot be scored" }), make("span", { text: found?.reason ?? "There is no case in it." })),
      ...findingsOf(found?.findings), ...closing(answer));
    return;
  }
  const missing = found.missing.length ? [make("p", { class: "hint", text: `Not given: ${found.missing.join(", ")}` })] : [];
  const scored = found.answers.length ? [verdict(noun, found.answers), ...pictureOf(found), modelTable(found.answers, answer.modality)] : [];
  done(...scored, ...classesOf(found.classes), ...whyOf(found.answers), ...findingsOf(found.findings), ...missing, ...closing(answer));
}

// ---- images

function loaded(encoded) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = `data:image/png;base64,${encoded}`;
  });
}

function drawMap(context, map, strength) {
  const layer = document.createElement("canvas");
  layer.width = map.width; layer.height = map.height;
  const own = layer.getContext("2d");
  own.drawImage(map, 0, 0);
  const pixels = own.getImageData(0, 0, map.width, map.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const heat = pixels.data[i] / 255;
    pixels.data[i] = 255; pixels.data[i + 1] = Math.round(220 * (1 - heat)); pixels.data[i + 2] = 40;
    pixels.data[i + 3] = Math.round(255 * heat * heat);
  }
  own.putImageData(pixels, 0, 0);
  context.globalAlpha = strength;
  context.drawImage(layer, 0, 0, 512, 512);
  context.globalAlpha = 1;
}

function drawBox(context, box, name, scale) {
  const { x, y, width, height } = box.on_picture;
  context.lineWidth = 3;
  context.strokeStyle = context.fillStyle = "#ffd21f";
  context.strokeRect(x * scale, y * scale, width * scale, height * scale);
  context.font = "bold 16px system-ui, sans-serif";
  const top = Math.max(0, y * scale - 20);
  context.fillRect(x * scale - 1.5, top, context.measureText(name).width + 10, 20);
  context.fillStyle = "#101010";
  context.fillText(name, x * scale + 3.5, top + 16);
}

function boxesOf(found) {
  let n = 0;
  return found.answers.filter((answer) => answer.boxes).flatMap((answer) => {
    const title = make("h3", { text: `Boxes of ${answer.model.split(".").pop().replaceAll("_", " ")}` });
    if (!answer.boxes.length) return [title, make("p", { class: "hint", text: "It found no box." })];
    const columns = ["Box", "Label", "Score", "p-value", "Place in pixels", "Drawn"];
    return [title, make("p", { class: "hint", text: `In pixels of the image as it was given, ${found.width} x ${found.height}. A box is drawn where its score reaches the threshold that holds the rate of false boxes.` }),
      make("div", { class: "wide-table" }, make("table", {},
        make("thead", {}, make("tr", {}, ...columns.map((text) => make("th", { scope: "col", text })))),
        make("tbody", {}, ...answer.boxes.map((box) => make("tr", {},
          make("th", { scope: "row", text: String(++n) }),
          make("td", { text: box.label }),
          make("td", { class: "figure", text: number(box.score) }),
          make("td", { class: "figure", text: number(box.p_value) }),
          make("td", { text: `x ${Math.round(box.x)}, y ${Math.round(box.y)}, ${Math.round(box.width)} wide, ${Math.round(box.height)} high` }),
          make("td", { text: box.drawn ? "yes" : "no" }))))))];
  });
}

function pictureOf(found) {
  if (!found.picture) return [];
  const mapped = found.answers.filter((answer) => answer.map);
  const boxed = found.answers.filter((answer) => answer.boxes);
  const over = [...(mapped.length ? ["the map of the chosen model"] : []), ...(boxed.length ? ["the boxes of the detector"] : [])];
  const canvas = make("canvas", { width: "512", height: "512", role: "img", "aria-label": `The image as the models see it${over.length ? `, with ${over.join(" and ")} over it` : ""}` });
  const pick = make("select", { id: "map-model" }, ...mapped.map((answer, i) => make("option", { value: i, text: called(answer.model) })));
  const strength = make("input", { id: "map-strength", type: "range", min: "0", max: "100", value: "55" });
  const draw = async () => {
    const context = canvas.getContext("2d");
    const picture = await loaded(found.picture);
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, 0, 0, 512, 512);
    const answer = mapped[Number(pick.value)];
    if (answer) drawMap(context, await loaded(answer.map), Number(strength.value) / 100);
    for (const [i, box] of boxed.flatMap((of) => of.boxes).entries()) if (box.drawn) drawBox(context, box, String(i + 1), 512 / picture.width);
  };
  pick.addEventListener("change", draw);
  strength.addEventListener("input", draw);
  draw();
  const controls = mapped.length ? [
    make("div", { class: "row" }, make("label", { for: "map-model", text: "Map of the model" }), pick),
    make("div", { class: "row" }, make("label", { for: "map-strength", text: "Strength of the map" }), strength),
  ] : [];
  return [make("div", { class: "image-box" }, canvas, ...controls),
    ...(mapped.length ? [make("p", { class: "hint", text: "Red is where the image is least like usual images, on a scale of its own: every image has a reddest place." })] : []), ...boxesOf(found)];
}

// ---- recordings

function showRecording(answer) {
  const scored = answer.cases.filter((each) => each.status === "scored");
  if (!scored.length) { showCases(answer); return; }
  const refused = answer.cases.length - scored.length;
  const models = [...new Set(scored.flatMap((each) => each.answers.map((one) => one.model)))];
  const leading = models.includes("beat_detector") ? "beat_detector" : models[0];
  const noun = described?.inputs?.signals?.noun ?? "beat";
  const beats = scored.map((each) => ({
    record: each.case_id.slice(0, each.case_id.lastIndexOf(":")), sample: Number(each.case_id.slice(each.case_id.lastIndexOf(":") + 1)),
    name: each.case, found: each, of: Object.fromEntries(each.answers.map((one) => [one.model, one])),
  }));
  const pick = make("select", { id: "beat-model" }, ...models.map((model) => make("option", { value: model, text: called(model) })));
  pick.value = leading;
  const place = make("div");
  const draw = () => {
    const model = pick.value;
    const flagged = beats.filter((beat) => beat.of[model]?.flagged);
    const box = make("div", { class: flagged.length ? "verdict flagged" : "verdict" },
      make("strong", { text: `${flagged.length} of ${beats.length} ${noun}s flagged` }),
      make("span", { text: `At a false-alarm rate of ${number(100 * (beats[0].of[model]?.alpha ?? 0.05))} %, about ${Math.round(beats.length * (beats[0].of[model]?.alpha ?? 0.05))} would be flagged in a usual recording.` + (refused ? ` ${refused} in bad signal were not scored.` : "") }));
    const strip = answer.strips?.[0];
    const detail = make("div", { "aria-live": "polite" });
    const drawn = strip ? stripOf(strip, beats, model) : null;
    const top = [...beats].sort((a, b) => (a.of[model]?.p_value ?? 1) - (b.of[model]?.p_value ?? 1) || (b.of[model]?.score ?? 0) - (a.of[model]?.score ?? 0)).slice(0, 12);
    const list = make("ul", { class: "beats" }, ...top.map((beat) => {
      const button = make("button", { type: "button", class: "pick", "aria-pressed": "false", text: beat.name.replace(/^.* at /, ""), "aria-label": `Show the ${noun} ${beat.name}` });
      button.addEventListener("click", () => {
        for (const other of list.querySelectorAll(".pick")) other.setAttribute("aria-pressed", String(other === button));
        drawn?.show(beat.sample);
        const one = beat.of[model];
        detail.replaceChildren(make("p", { text: `${beat.name}: score ${number(one.score)}, p-value ${number(one.p_value)}. ${words(one.p_value, model, "signals")}` }), reasonTable(one));
      });
      return make("li", {}, button);
    }));
    place.replaceChildren(box, ...(drawn ? drawn.elements : []), make("h3", { text: `Most unusual ${noun}s` }), list, detail);
  };
  pick.addEventListener("change", draw);
  draw();
  const findings = answer.cases.flatMap((each) => each.findings || []).slice(0, 10);
  done(make("div", { class: "row" }, make("label", { for: "beat-model", text: "Model" }), pick), place, ...findingsOf(findings), ...closing(answer));
}

function stripOf(strip, beats, model) {
  const rate = strip.fs / strip.step, seconds = strip.samples.length / rate;
  const span = Math.min(STRIP_SECONDS, seconds);
  const canvas = make("canvas", { width: "1200", height: "260", role: "img", "aria-label": `Lead ${strip.lead} with its flagged beats marked` });
  const slide = make("input", { id: "strip-time", type: "range", min: "0", max: String(Math.max(0, seconds - span).toFixed(2)), step: "0.5", value: "0" });
  const shown = make("output", { for: "strip-time" });
  const own = beats.filter((beat) => beat.record === strip.record);
  const known = strip.samples.filter((value) => value !== null).sort((a, b) => a - b);
  const low = known[Math.floor(0.001 * known.length)] ?? -1, high = known[Math.floor(0.999 * (known.length - 1))] ?? 1;
  const draw = () => {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const from = Number(slide.value), context = canvas.getContext("2d");
    const x = (time) => (time - from) / span * canvas.width;
    const y = (value) => 30 + (high - value) / ((high - low) || 1) * (canvas.height - 60);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = colour("--grid"); context.lineWidth = 1;
    for (let time = Math.ceil(from * 5) / 5; time < from + span; time += 0.2) { context.beginPath(); context.moveTo(x(time), 0); context.lineTo(x(time), canvas.height); context.stroke(); }
    context.fillStyle = colour("--alert"); context.font = "20px system-ui, sans-serif";
    for (const beat of own) {
      const time = beat.sample / strip.fs;
      if (time < from || time > from + span || !beat.of[model]?.flagged) continue;
      context.globalAlpha = 0.18; context.fillRect(x(time - 0.25), 0, x(time + 0.4) - x(time - 0.25), canvas.height); context.globalAlpha = 1;
      context.beginPath(); context.moveTo(x(time) - 9, 2); context.lineTo(x(time) + 9, 2); context.lineTo(x(time), 18); context.fill();
    }
    context.strokeStyle = colour("--trace"); context.lineWidth = 2; context.beginPath();
    let down = false;
    for (let i = Math.max(0, Math.floor(from * rate)); i < Math.min(strip.samples.length, (from + span) * rate); i++) {
      const value = strip.samples[i];
      if (value === null) { down = false; continue; }
      if (down) context.lineTo(x(i / rate), y(value)); else context.moveTo(x(i / rate), y(value));
      down = true;
    }
    context.stroke();
    shown.textContent = `${from.toFixed(1)} to ${(from + span).toFixed(1)} s`;
  };
  slide.addEventListener("input", draw);
  draw();
  return {
    elements: [canvas, make("div", { class: "row" }, make("label", { for: "strip-time", text: `Lead ${strip.lead}; move along with the arrow keys` }), shown), slide],
    show(sample) { slide.value = String(Math.max(0, sample / strip.fs - span / 2)); draw(); },
  };
}

connect();
