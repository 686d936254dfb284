// The administrator's page: tables of what the service tells. Texts go in as text, never as HTML.
"use strict";

const REFRESH_SECONDS = 5;
const TRAINING_SECONDS = 2;
const named = (element) => element.getAttribute("aria-label");
// Rebuilds a table; who stands on a button of it stands on the same one afterwards.
function rows(id, list, row, nothing) {
  const body = $(id).tBodies[0], stood = body.contains(document.activeElement) ? named(document.activeElement) : null;
  body.replaceChildren(...(list.length ? list.map(row)
    : [make("tr", {}, make("td", { colSpan: $(id).tHead.rows[0].cells.length, className: "quiet", textContent: nothing }))]));
  if (stood) [...body.querySelectorAll("button")].find((one) => named(one) === stood)?.focus();
}
const cell = (text, title = "") => make("td", { textContent: text ?? "", title });
const moment = (text) => (text ? new Date(text).toLocaleString() : "");
const short = (uid) => (uid.length > 14 ? `…${uid.slice(-10)}` : uid);
const percent = (share) => (share == null ? "–" : `${Math.round(share * 100)} %`);

function fail(error, passes = false) {
  $("failure").textContent = String(error.message || error);
  $("failure").hidden = false;
  $("failure").dataset.passes = passes ? "yes" : "";  // with the next refresh; otherwise when something else is done
}

function act(action) {
  $("failure").hidden = true;
  return action().then(refresh).catch(fail);
}

function counts(id, told) {
  $(id).replaceChildren(...Object.entries(told).map(([name, count]) => make("span", { className: "tag" }, `${name} ${count}`)));
}

function button(text, label, action) {
  const made = make("button", { type: "button", className: "plain", textContent: text });
  made.setAttribute("aria-label", label);
  made.addEventListener("click", () => act(action));
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

const versionName = (one) => `${one.name === "base" ? `base (${one.version})` : one.name}`;
const sameVersion = (one, other) => one.version === other.version && one.device_uid === other.device_uid;

// What a roll back returns to. The service does not tell it, the history does: null where there is nothing, and
// undefined where what reads now did not come from this history.
function versionBefore({ versions, history }) {
  const steps = [versions.find((one) => one.name === "base")];
  for (const one of history) {
    if (one.event === "promoted" && !sameVersion(one, steps.at(-1))) steps.push(one);
    if (one.event === "rolled back" && steps.length > 1) steps.pop();
  }
  const now = versions.find((one) => one.reads);
  if (!now || !sameVersion(steps.at(-1), now)) return undefined;
  return steps.length > 1 ? versions.find((one) => sameVersion(one, steps.at(-2))) : null;
}

const eventText = (one) => `${one.event} by ${one.by}, ${moment(one.moment)}${one.reason ? `: ${one.reason}` : ""}`;

function versionRow(one, history) {
  const last = history.findLast((entry) => sameVersion(entry, one));
  const made = make("tr", {}, cell(versionName(one), one.device_uid), cell(one.model), cell(""),
    cell(last ? eventText(last) : ""), one.reads ? cell("") : button("Promote", `Promote ${versionName(one)}`, () => promote(one)));
  if (one.reads) made.cells[2].replaceChildren(make("span", { className: "tag now", textContent: "reads now" }));
  return made;
}

// Resolves to the reason that was given (may be empty), or to null where the answer was no.
function confirmed(question, yes) {
  $("confirm-question").textContent = question;
  $("confirm-yes").textContent = yes;
  $("confirm-reason").value = $("confirm").returnValue = "";
  $("confirm").showModal();
  return new Promise((answer) => $("confirm").addEventListener("close", () =>
    answer($("confirm").returnValue === "yes" ? $("confirm-reason").value.trim() : null), { once: true }));
}

async function switchVersion(path, question, yes) {
  const reason = await confirmed(question, yes);
  if (reason === null) return;
  const { versions } = await post(path, { reason });
  $("versions-said").textContent = `${versionName(versions.find((one) => one.reads))} reads from now on.`;
  $("versions-title").focus();  // the button that was pressed may be gone
}

async function promote(one) {
  const now = (await ask("/models")).versions.find((other) => other.reads);
  await switchVersion(`/models/${encodeURIComponent(one.name)}/promote`,
    `Let ${versionName(one)} read from now on, instead of ${now ? versionName(now) : "the one that reads now"}?`, "Promote");
}

async function rollBack() {
  const models = await ask("/models");
  const now = models.versions.find((one) => one.reads), before = versionBefore(models);
  await switchVersion("/models/rollback", `Roll back from ${now ? versionName(now) : "the version that reads now"} to ${
    before ? versionName(before) : "the version that read before it"}?`, "Roll back");
}

async function showModels() {
  const models = await ask("/models").catch((error) => { if (error.status === 404) return null; throw error; });
  $("no-versions").hidden = Boolean(models);
  $("versions-part").hidden = !models;
  if (!models) return;
  rows("versions", models.versions, (one) => versionRow(one, models.history), "None.");
  $("roll-back").disabled = versionBefore(models) === null;
  const told = models.history.slice(-20).reverse().map((one) => `${one.version} ${eventText(one)}`);
  $("models").replaceChildren(...(told.length ? told : ["Nothing was trained or switched yet."])
    .map((text) => make("li", { textContent: text })));
  const [latest] = await ask("/training");
  if (latest) showTraining(latest);
}

const training = { uid: null, timer: null };

function trainingText(run) {
  const begun = `${run.kind}, by ${run.login}, ${moment(run.started)}`;
  if (run.state === "IN PROGRESS") {
    const loss = Object.entries(run.loss).map(([name, value]) => `${name} ${value.toPrecision(3)}`).join(", ");
    return `${run.stage}${run.steps ? ` ${run.step} of ${run.steps}` : ""}${loss ? `; loss: ${loss}` : ""} (${begun})`;
  }
  if (run.state !== "COMPLETED") return `Ended without a version: ${run.reason} (${begun})`;
  return `Version ${run.result.version}. The gate says: ${run.result.ruling}. ${run.result.reason} (${begun})`;
}

// The line changes every two seconds; only a run's end is told to who listens to the page instead of looking.
function showTraining(run) {
  const runs = run.state === "IN PROGRESS";
  if (!runs && training.uid === run.uid) $("train-said").textContent = trainingText(run);
  training.uid = runs ? run.uid : null;
  $("train-line").textContent = trainingText(run);
  $("train-progress").value = run.progress;
  $("train-progress").hidden = $("train-stop").hidden = !runs;
  $("train-start").disabled = runs;
  if (runs && training.timer === null) training.timer = setTimeout(
    () => watchTraining().catch((error) => fail(error, true)), TRAINING_SECONDS * 1000);
}

async function watchTraining() {
  training.timer = null;
  if (training.uid === null) return;
  const run = await ask(`/training/${training.uid}`);
  showTraining(run);
  if (run.state !== "IN PROGRESS") await refresh();
}

async function startTraining() {
  $("train-start").disabled = true;
  try {
    showTraining(await post("/training", { kind: $("train-kind").value, steps: $("train-steps").valueAsNumber }));
    $("train-stop").focus();
  } catch (error) { $("train-start").disabled = false; throw error; }
}

async function stopTraining() {
  if (training.uid === null) return;
  showTraining(await ask(`/training/${training.uid}`, { method: "DELETE" }));
  $("train-start").focus();
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
    if ($("failure").dataset.passes) $("failure").hidden = true;
  } catch (error) { fail(error, true); }
}

async function check() {
  $("ledger-said").textContent = "Checking …";
  const { sound, breaks, head } = await ask("/ledger/check");
  $("ledger-said").textContent = sound ? `Sound; it ends with ${head}`
    : breaks.map((one) => `Entry ${one.number}: ${one.reason}`).join("; ");
}

// A table that is rebuilt would take the focus away from a button in it: not while somebody is there.
const somebodyIsThere = () => document.activeElement?.closest("tbody") || document.hidden || $("confirm").open
  || !$("sign-in").hidden;

$("refresh").addEventListener("click", () => act(async () => {}));
$("retry").addEventListener("click", () => act(retry));
$("roll-back").addEventListener("click", () => act(rollBack));
$("train-stop").addEventListener("click", () => act(stopTraining));
$("train").addEventListener("submit", (event) => { event.preventDefault(); act(startTraining); });
$("check").addEventListener("click", () => check().catch(fail));
for (const form of ["jsonl", "training"]) {
  $(form === "jsonl" ? "export-lines" : "export-training").addEventListener("click", () =>
    download(`${api}/ledger/export?format=${form}`, `wetread-ledger-${form}.zip`).catch(fail));
}
startSession(refresh);
setInterval(() => { if (!somebodyIsThere()) refresh(); }, REFRESH_SECONDS * 1000);
