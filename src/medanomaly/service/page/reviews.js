"use strict";
// The list of alarms that people confirm or dismiss.

const reviews = (() => {
  const SHOWN_ALARMS = 20, SHORT_ID = 12;
  const kept = at("panel-reviews").dataset.stored === "yes";
  const list = at("alarms");

  at("reviews-kept").hidden = !kept;
  at("reviews-not-kept").hidden = kept;

  function say(text) { at("reviews-said").textContent = text; }

  async function open() {
    if (!kept) return;
    const of = at("alarm-case").value.trim();
    say("Asking for alarms");
    try {
      const found = await ask(`/v1/reviews/alarms?n=${SHOWN_ALARMS}${of ? `&case_id=${encodeURIComponent(of)}` : ""}`);
      list.replaceChildren(...found.alarms.map(item));
      const left = found.n_waiting > found.alarms.length ? `, the ${found.alarms.length} most unusual are shown` : "";
      say(found.n_waiting ? `${found.n_waiting} ${found.n_waiting === 1 ? "alarm waits" : "alarms wait"} for a review${left}.` : "No alarm waits for a review.");
      await summary();
    } catch (error) { say(error.message); }
  }

  function item(alarm) {
    const name = alarm.id.slice(0, SHORT_ID);
    const state = make("p", { class: "said hint", role: "status" });
    const words = make("input", { type: "text", maxlength: "200", id: `outcome-${name}`, autocomplete: "off" });
    const buttons = [["Confirm", true], ["Dismiss", false]].map(([text, anomalous]) => {
      const button = make("button", { type: "button", class: "pick", "aria-pressed": "false", "data-anomalous": String(anomalous), "aria-label": `${text} alarm ${name}`, text });
      button.addEventListener("click", () => review(anomalous));
      return button;
    });
    const figure = alarm.p_value === null ? `probability ${number(alarm.probability)}` : `p-value ${number(alarm.p_value)}`;
    const row = make("li", { "data-alarm": alarm.id },
      make("div", { class: "what" },
        make("strong", { text: alarm.model.replaceAll("_", " ") }),
        make("span", { class: "figure", text: figure }),
        make("small", { text: `Alarm ${name}, ${new Date(alarm.recorded_at).toLocaleString()}` }),
        make("small", { text: alarm.why ? `Why: ${alarm.why}` : "No reasons were stored." })),
      make("div", { class: "answers" }, ...buttons),
      make("details", { class: "by-hand" }, make("summary", { text: "Say what it was" }),
        make("label", { for: words.id, class: "small", text: "In words that name nobody, before you confirm or dismiss" }), words),
      state);

    async function review(anomalous) {
      const body = { reviews: [{ id: alarm.id, anomalous, outcome: words.value.trim() }] };
      try {
        await ask("/v1/reviews", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      } catch (error) { state.textContent = error.message; return; }
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.anomalous === String(anomalous)));
      row.dataset.reviewed = anomalous ? "confirmed" : "dismissed";
      state.textContent = anomalous ? "Confirmed: it was unusual. Dismiss changes that." : "Dismissed: it was a false alarm. Confirm changes that.";
      await summary().catch((error) => say(error.message));
    }

    return row;
  }

  // arrow keys go from alarm to alarm; C confirms and D dismisses the one that has the focus
  list.addEventListener("keydown", (event) => {
    const row = event.target.closest("li");
    if (!row || event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const button = (of, anomalous) => of.querySelector(`[data-anomalous="${anomalous}"]`);
    if (step) {
      const rows = [...list.children], next = rows[rows.indexOf(row) + step];
      if (next) { button(next, event.target.dataset.anomalous ?? "true").focus(); event.preventDefault(); }
    } else if (event.key === "c" || event.key === "d") {
      const chosen = button(row, String(event.key === "c"));
      chosen.focus();
      chosen.click();
    }
  });

  at("alarm-case-form").addEventListener("submit", (event) => { event.preventDefault(); open(); });

  async function summary() {
    const { models } = await ask("/v1/reviews");
    const share = (one) => one.precision === null ? "" : `${Math.round(100 * one.precision)} % (${Math.round(100 * one.low)} to ${Math.round(100 * one.high)})`;
    const head = ["Model", "Alarms", "Reviewed", "Right", "Share (95 %)", "Missed"].map((text) => make("th", { scope: "col", text }));
    const rows = models.map((one) => make("tr", {},
      make("th", { scope: "row", text: `${one.modality}.${one.model}`.replaceAll("_", " ") }),
      ...[one.n_alarms, one.n_reviewed, one.n_confirmed, share(one), one.missed].map((text) => make("td", { class: "figure", text: String(text) }))));
    at("result").replaceChildren(
      make("h3", { text: "How many alarms were right" }),
      make("div", { class: "wide-table" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))),
      make("p", { class: "hint", text: "Right alarms among those that were reviewed. Missed are cases without an alarm that somebody confirmed. This is no sensitivity: cases without an alarm are rarely reviewed." }));
  }

  return { open };
})();
