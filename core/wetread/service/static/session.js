// Who asks: the token of this tab (never stored beyond it), and every way of asking with it.
"use strict";

const api = "/wetread/v1";
const $ = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const session = {
  get token() { return sessionStorage.getItem("wetread-token") || ""; },
  set token(text) { text ? sessionStorage.setItem("wetread-token", text) : sessionStorage.removeItem("wetread-token"); },
};

async function send(path, options = {}) {
  const headers = { ...options.headers };
  if (session.token) headers.Authorization = `Bearer ${session.token}`;
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) showSignIn(session.token ? "The token was refused." : "");
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    const said = body?.what ? `${body.what} (${body.where}): ${body.remedy}` : `${response.status}`;
    throw Object.assign(new Error(said), { status: response.status });
  }
  return response;
}

async function ask(path, options) {
  const response = await send(api + path, options);
  return response.status === 204 ? null : response.json();
}

const post = (path, body) => ask(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

// An <img> or a link cannot carry a token: what it shows is fetched, and given to it as a blob of this page.
async function showPicture(image, path) {
  try {
    const blob = await (await send(path)).blob();
    if (image.dataset.blob) URL.revokeObjectURL(image.dataset.blob);
    image.src = image.dataset.blob = URL.createObjectURL(blob);
  } catch { image.dispatchEvent(new Event("error")); }
}

async function download(path, name) {
  const address = URL.createObjectURL(await (await send(path)).blob());
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

// Server-sent events by fetch, because EventSource sends no header. Goes on after the last event when cut off.
function listen(path, onEvent, onFailure) {
  const stop = new AbortController();
  let last = 0, tries = 0;
  async function once() {
    const response = await send(path, { headers: { "Last-Event-ID": String(last) }, signal: stop.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      tries = 0;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const fields = {};
        for (const line of block.split("\n")) {
          const colon = line.indexOf(": ");
          if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
        }
        if (fields.id) last = Number(fields.id);
        if (fields.event) onEvent(fields.event, JSON.parse(fields.data));
      }
    }
  }
  async function goOn() {
    while (!stop.signal.aborted) {
      try { await once(); } catch (error) {
        if (stop.signal.aborted) return;
        if (++tries > 5) { onFailure(error); return; }
      }
      await new Promise((next) => setTimeout(next, 1000));
    }
  }
  goOn();
  return { close: () => stop.abort() };
}

function showSignIn(reason) {
  $("sign-in").hidden = false;
  $("sign-in-reason").textContent = reason;
  $("sign-out").hidden = true;
}

function startSession(start) {
  $("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    session.token = $("token").value.trim();
    $("token").value = "";
    $("sign-in").hidden = true;
    $("sign-out").hidden = false;
    start();
  });
  $("sign-out").addEventListener("click", () => { session.token = ""; location.reload(); });
  $("sign-out").hidden = !session.token;
  start();
}
