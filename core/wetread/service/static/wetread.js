// The page: studies of the archive, one series to read, the read as it comes. Texts go in as text, never as HTML.
"use strict";

const state = { studies: [], study: null, series: null, job: null, events: null };

function fail(error) {
  $("failure").textContent = String(error.message || error);
  $("failure").hidden = false;
}

const clearFailure = () => { $("failure").hidden = true; };
const day = (text) => (/^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text);
const plural = (count, one, many) => (count == null ? "" : `${count} ${count === 1 ? one : many}`);
const joined = (...parts) => parts.filter(Boolean).join(" · ");
const titleOf = (study) => study.patient_name || study.patient_id || "No name";

async function start() {
  try {
    clearFailure();
    $("suggestions").replaceChildren();
    const service = await ask("/capabilities");
    $("service").textContent = `${service.model.name} ${service.model.version} · ${service.archive}`;
    $("covers").textContent = `Trained on ${service.model.modalities.join(", ")}: ${service.model.labels.join(", ")}.`;
    for (const label of service.model.labels) {
      $("suggestions").append(make("option", { value: `Please segment ${label} in the given image.` }));
    }
    await listStudies();
  } catch (error) { fail(error); }
}

async function listStudies() {
  state.studies = await ask("/studies");
  showStudies();
  const marked = state.studies.find((one) => one.modalities.includes("SEG")) || state.studies[0];
  const wanted = location.hash.slice(1) || marked?.uid;
  const study = state.studies.find((one) => one.uid === wanted);
  if (study && study.uid !== state.study?.uid) await openStudy(study);
}

function showStudies() {
  const words = $("filter").value.toLowerCase();
  const shown = state.studies.filter((study) => JSON.stringify(Object.values(study)).toLowerCase().includes(words));
  $("studies").replaceChildren(...shown.map((study) => {
    const button = make("button", { type: "button" },
      make("strong", { textContent: titleOf(study) }),
      make("span", { className: "quiet", textContent: joined(day(study.date), study.description) }),
      make("span", { className: "quiet" }, ...study.modalities.map((m) => make("span", { className: "tag", textContent: m }))));
    button.setAttribute("aria-current", String(study.uid === state.study?.uid));
    button.addEventListener("click", () => openStudy(study).catch(fail));
    return make("li", {}, button);
  }));
  $("no-studies").hidden = shown.length > 0;
  $("no-studies").textContent = state.studies.length
    ? "No study matches." : "The archive is empty. Send studies by DICOMweb STOW to /dicom-web, then refresh.";
}

async function openStudy(study) {
  clearFailure();
  state.study = study;
  state.series = null;
  history.replaceState(null, "", `#${study.uid}`);
  showStudies();
  if (!state.events) { $("result").hidden = true; $("progress").hidden = true; }
  const series = await ask(`/studies/${study.uid}/series`);
  if (state.study !== study) return;
  $("welcome").hidden = true;
  $("study").hidden = false;
  $("study-title").textContent = titleOf(study);
  $("study-facts").textContent = joined(study.patient_name && study.patient_id, day(study.date), study.description, plural(series.length, "series", "series"));
  $("series").replaceChildren(...series.filter((one) => one.has_picture).map((one) => seriesCard(study, one)));
  const others = series.filter((one) => !one.has_picture);
  if (others.length) {
    const counts = new Map();
    for (const one of others) counts.set(one.modality, (counts.get(one.modality) || 0) + 1);
    const listed = [...counts].map(([modality, count]) => `${count} ${modality}`).join(", ");
    $("study-facts").textContent += ` (of these without pictures: ${listed})`;
  }
  const first = $("series").querySelector("input");
  if (first) { first.checked = true; first.dispatchEvent(new Event("change")); }
  $("read").disabled = !first || Boolean(state.events);
  if (!state.events) await showLatest(study);
}

async function showLatest(study) {
  const jobs = await ask("/reads");
  const job = jobs.find((one) => one.study_uid === study.uid && one.state === "COMPLETED");
  if (job && state.study === study && !state.events) await show(job);
}

function seriesCard(study, series) {
  const input = make("input", { type: "radio", name: "series", value: series.uid });
  input.addEventListener("change", () => { state.series = series; });
  const image = make("img", {
    alt: "", width: 160, height: 160,
  });
  const holder = make("div", { className: "picture" }, image);
  image.addEventListener("error", () => holder.replaceChildren("no picture"));
  showPicture(image, `${api}/studies/${study.uid}/series/${series.uid}/picture`);
  return make("label", {}, input, holder, make("div", { className: "facts" },
    make("span", { className: "tag", textContent: series.modality || "?" }),
    joined(series.description, plural(series.instances, "image", "images"))));
}

async function submit(event) {
  event.preventDefault();
  if (!state.series || state.events) return;
  clearFailure();
  $("result").hidden = true;
  $("read").disabled = true;
  try {
    const job = await post("/reads", {
      study_uid: state.study.uid, series_uid: state.series.uid, question: $("question").value || null,
    });
    follow(job);
  } catch (error) {
    $("read").disabled = false;
    fail(error);
  }
}

function follow(job) {
  state.job = job;
  $("text").textContent = "";
  $("writing").open = true;
  $("progress").hidden = false;
  $("cancel").hidden = false;
  progress("waiting", 0);
  state.events = listen(`${api}/reads/${job.uid}/events`, (kind, data) => told(job, kind, data), (error) => {
    stop();
    $("progress").hidden = true;
    fail(error);
  });
}

function told(job, kind, data) {
  if (kind === "progress") {
    if (data.stage === "looking") $("text").textContent = ""; // another plane: what was written before is void
    progress(data.stage, data.progress);
  } else if (kind === "position" && data.position) {
    $("stage").textContent = `Waiting behind ${plural(data.position, "read", "reads")}`;
  } else if (kind === "text") {
    $("text").append(data.text);
    $("text").scrollTop = $("text").scrollHeight;
  } else if (kind === "state" && data.state === "COMPLETED") {
    finish(job).catch(fail);
  } else if (kind === "state" && data.state === "CANCELED") {
    stop();
    $("progress").hidden = true;
    fail(`Not read: ${data.reason}`);
  }
}

function progress(stage, share) {
  $("stage").textContent = stage[0].toUpperCase() + stage.slice(1);
  $("percent").textContent = `${Math.round(share * 100)} %`;
  $("meter").value = share;
  $("meter").hidden = stage === "done";
  $("percent").hidden = stage === "done";
}

function stop() {
  state.events?.close();
  state.events = null;
  $("cancel").hidden = true;
  $("read").disabled = !state.series;
}

async function finish(job) {
  stop();
  progress("done", 1);
  await show(job);
  $("result-title").focus();
  state.studies = await ask("/studies");
  showStudies();
}

async function show(job) {
  const [read, view] = await Promise.all([ask(`/reads/${job.uid}/result`), ask(`/reads/${job.uid}`)]);
  $("writing").open = false;
  showPicture($("overlay"), `${api}/reads/${job.uid}/overlay.png`);
  $("caption").textContent = `${read.modality}, “${read.question}” · ${read.model.name} ${read.model.version}, ${read.model.seconds.toFixed(1)} s`;
  $("abstention").hidden = !read.abstention;
  $("abstention").textContent = read.abstention ? `No findings given: ${read.abstention}` : "";
  $("findings").hidden = Boolean(read.abstention);
  $("findings").tBodies[0].replaceChildren(...(read.findings.length ? read.findings.map(findingRow)
    : [make("tr", {}, make("td", { colSpan: 3, textContent: "Nothing found that the model covers." }))]));
  $("reasoning").textContent = read.reasoning || "(none written)";
  $("remarks").replaceChildren(...read.remarks.map((text) => make("li", { textContent: text })));
  $("links").replaceChildren(...view.stored.map((link) => {
    const name = `${link.kind.toLowerCase()}.dcm`;
    const button = make("button", { className: "plain", type: "button", textContent: `${link.kind} file` });
    button.addEventListener("click", () => download(`${api}/reads/${job.uid}/files/${name}`, name).catch(fail));
    return button;
  }));
  $("result").hidden = false;
}

function findingRow(finding) {
  const chip = make("span", { className: "chip" });
  chip.style.background = `rgb(${finding.colour.join(",")})`;
  const many = finding.instances.length > 1 ? ` (${finding.instances.length})` : "";
  return make("tr", {},
    make("td", {}, chip, make("strong", { textContent: finding.label + many }),
      make("div", { className: "quiet", textContent: finding.description })),
    make("td", { textContent: `${(finding.presence * 100).toFixed(0)} %` }),
    make("td", { textContent: sizeOf(finding.mask) }));
}

function sizeOf(mask) {
  if (!mask) return "no mask";
  if (mask.volume_ml != null) return `${mask.volume_ml.toPrecision(3)} ml`;
  if (mask.key_plane_area_mm2 != null) return `${mask.key_plane_area_mm2.toPrecision(3)} mm²`;
  return `${mask.key_plane_area_pixels} px`;
}

$("ask").addEventListener("submit", submit);
$("refresh").addEventListener("click", () => listStudies().catch(fail));
$("filter").addEventListener("input", showStudies);
$("cancel").addEventListener("click", () => ask(`/reads/${state.job.uid}`, { method: "DELETE" }).catch(fail));
startSession(start);
