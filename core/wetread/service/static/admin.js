// The administrator's page: tables of what the service tells. Texts go in as text, never as HTML.
"use strict";

const REFRESH_SECONDS = 5;
const rows = (id, list, row, nothing) => $(id).tBodies[0].replaceChildren(...(list.length ? list.map(row)
  : [make("tr", {}, make("td", { colSpan: $(id).tHead.rows[0].cells.length, className: "quiet", textContent: nothing }))]));
const cell = (text, title = "") => make("td", { textContent: text ?? "", title });
const moment = (text) => (text ? new Date(text).toLocaleString() : "");
const short = (uid) => (uid.length > 14 ? `…${uid.slice(-10)}` : uid);
const percent = (share) => (share == null ? "–" : `${Math.round(share * 100)} %`);

function fail(error) {
  $("failure").textContent = String(error.message || error);
  $("failure").hidden = false;
}

function counts(id, told) {
  $(id).replaceChildren(...Object.entries(told).map(([name, count]) => make("span", { className: "tag" }, `${name} ${count}`)));
}

function button(text, label, action) {
  const made = make("button", { type: "button", className: "plain", textContent: text });
  made.setAttribute("aria-label", label);
  made.addEventListener("click", () => action().then(refresh).catch(fail));
  return make("td", {}, made);
}

function queueRow(job) {
  const open = job.state === "SCHEDULED" || job.state === "IN PROGRESS";
  const stage = job.state === "IN PROGRESS" ? `${job.stage} ${percent(job.progress)}` : job.stage;
  return make("tr", {}, cell(moment(job.created), job.uid), cell(job.owner), cell(job.kind), cell(job.state), cell(stage),
    cell(job.attempts), cell(job.reason), open && job.kind === "read"
      ? button("Cancel", `Cancel the read of ${moment(job.created)}`, () => ask(`/reads/${job.uid}`, { method: "DELETE" }))
      : cell(""));
}

function outboxRow(item) {
  const again = item.state === "waiting" || item.state === "refused";
  return make("tr", {}, cell(moment(item.created)), cell(`${item.kind} ${short(item.sop_instance_uid)}`, item.sop_instance_uid),
    cell(item.state), cell(item.attempts), cell(item.reason), again
      ? button("Retry", `Try ${item.kind} ${short(item.sop_instance_uid)} again`, () => retry(item.number)) : cell(""));
}

function rateRow(rate) {
  const judged = rate.accepted + rate.corrected + rate.rejected;
  const bar = make("meter", { min: 0, max: 1, value: rate.rate ?? 0 });
  bar.setAttribute("aria-label", `${percent(rate.rate)} accepted`);
  const months = Object.entries(rate.months).map(([month, [accepted, of]]) => `${month}: ${accepted} of ${of}`).join(", ");
  return make("tr", {}, cell(`${rate.model} ${rate.version}`, rate.device_uid),
    make("td", {}, bar, ` ${percent(rate.rate)} (${rate.accepted} of ${judged})`),
    cell(rate.low == null ? "–" : `${percent(rate.low)} to ${percent(rate.high)}`),
    cell(rate.corrected), cell(rate.rejected), cell(rate.added), cell(months));
}

const auditRow = (entry) => make("tr", {}, cell(moment(entry.moment)), cell(entry.login), cell(entry.action),
  cell(short(entry.subject), entry.subject), cell(entry.status));

async function retry(number) {
  const { retried } = await post("/outbox/retry", number == null ? {} : { number });
  $("outbox-said").textContent = retried ? `${retried} will be tried again now.` : "Nothing was waiting.";
}

async function showModels() {
  const models = await ask("/models").catch((error) => { if (/404|Not Found/.test(error.message)) return null; throw error; });
  const told = models ? [
    ...models.versions.map((one) => `${one.reads ? "Reads now: " : ""}${one.model} ${one.version} (${one.name})`),
    ...models.history.map((one) => `${moment(one.moment)}: ${one.version} ${one.event} by ${one.by}${one.reason ? `, ${one.reason}` : ""}`),
  ] : ["This service reads with one model; nothing was trained."];
  $("models").replaceChildren(...told.map((text) => make("li", { textContent: text })));
}

async function refresh() {
  try {
    const service = await ask("/capabilities");
    $("service").textContent = `${service.model.name} ${service.model.version} · ${service.archive}`;
    const [queue, outbox, rates, audit] = await Promise.all([ask("/queue?limit=50"), ask("/outbox?limit=50"),
      ask("/accept-rates"), ask("/audit?limit=50")]);
    counts("queue-counts", queue.counts);
    rows("queue", queue.jobs, queueRow, "Nothing was asked yet.");
    counts("outbox-counts", outbox.counts);
    rows("outbox", outbox.items, outboxRow, "Nothing was sent yet.");
    rows("rates", rates, rateRow, "Nobody has decided on a finding yet.");
    rows("audit", audit, auditRow, "Nothing yet.");
    await showModels();
    $("failure").hidden = true;
  } catch (error) { fail(error); }
}

async function check() {
  $("ledger-said").textContent = "Checking …";
  const { sound, breaks, head } = await ask("/ledger/check");
  $("ledger-said").textContent = sound ? `Sound; it ends with ${head}`
    : breaks.map((one) => `Entry ${one.number}: ${one.reason}`).join("; ");
}

// A table that is rebuilt would take the focus away from a button in it: not while somebody is there.
const somebodyIsThere = () => document.activeElement?.closest("tbody") || document.hidden || !$("sign-in").hidden;

$("refresh").addEventListener("click", refresh);
$("retry").addEventListener("click", () => retry().then(refresh).catch(fail));
$("check").addEventListener("click", () => check().catch(fail));
for (const form of ["jsonl", "training"]) {
  $(form === "jsonl" ? "export-lines" : "export-training").addEventListener("click", () =>
    download(`${api}/ledger/export?format=${form}`, `wetread-ledger-${form}.zip`).catch(fail));
}
startSession(refresh);
setInterval(() => { if (!somebodyIsThere()) refresh(); }, REFRESH_SECONDS * 1000);
