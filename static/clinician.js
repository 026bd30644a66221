// Sends the photos of a series one after the other and puts each answer into the table as it comes. Without this script
// the form sends all of them at once, and the server makes the same table.
"use strict";

document.documentElement.classList.add("scripted");

const photosForm = document.getElementById("photos");
const casesForm = document.getElementById("cases");
const input = photosForm.querySelector('input[type="file"]');
const state = document.getElementById("state");
const queueList = document.getElementById("queue");
const rows = document.getElementById("rows");
const results = document.getElementById("results");
const failures = document.getElementById("failures");
const text = photosForm.dataset;
const MAX_TRIES = 8;
const LONGEST_WAIT_S = 60;

const waiting = []; // {name, blob, source, ownFirst, marked, place}
let working = false;
let answered = 0;
let rowsGoAlong = false; // the page that is asked for next brings all rows back

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const token = () => photosForm.elements.csrf_token.value;
const isFull = () => rows.children.length + queueList.children.length >= Number(text.limit);
// Above the highest, since the rows that another page brought keep theirs, whatever failed between them.
const nextNumber = () => 1 + Math.max(0, ...[...rows.children].map((row) => Number(row.dataset.number)));

// The pictures stay in their rows: with fifty of them the form of the whole table would be too large.
document.getElementById("details").replaceChildren();

// Taking photos in

async function take(files) {
  const packed = await Promise.all(files.map(isArchive));
  if (packed.includes(true) && !canOpenArchives()) {
    const chosen = new DataTransfer(); // the files may have been dropped or pasted
    for (const file of files) chosen.items.add(file);
    input.files = chosen.files;
    photosForm.submit(); // the server can open it
    return;
  }
  const budget = {
    bytes: Number(text.archiveBytes),
    entries: Number(text.archiveEntries),
    largest: Number(text.limitMb) * 1e6,
    ratio: Number(text.archiveRatio),
  };
  for (const [index, file] of files.entries()) {
    if (packed[index]) await takeArchive(file, budget);
    else enqueue(file.name, file);
  }
  work();
}

// Every file of an archive gets a place in the queue or stands among those without an answer.
async function takeArchive(file, budget) {
  const reasons = {
    damaged_archive: text.textArchive,
    packed_otherwise: text.textPackedOtherwise,
    empty_archive: text.textEmptyArchive,
    archive_too_large: text.textArchiveTooLarge,
    body_too_large: text.textTooLarge,
    too_many_photos: text.textTooMany,
    damaged_image: text.textDamaged,
  };
  let isEmpty = true;
  try {
    for await (const { name, blob, code } of openArchive(file, budget, isFull)) {
      isEmpty = false;
      if (blob) enqueue(name, blob);
      else fail(name, reasons[code], code);
    }
    if (isEmpty) fail(file.name, reasons.empty_archive, "empty_archive");
  } catch {
    fail(file.name, reasons.damaged_archive, "damaged_archive");
  }
}

// What the form says now holds for the photo, also if it changes before the photo's turn. `said` may hold otherwise, and
// whether the photo is marked as the same person's from the start. Tells whether the photo was taken.
function enqueue(name, blob, said = {}) {
  const { source, own_first: ownFirst } = photosForm.elements;
  let problem = null;
  if (isFull()) problem = [text.textTooMany, "too_many_photos"];
  else if (blob.size > Number(text.limitMb) * 1e6) problem = [text.textTooLarge, "body_too_large"];
  if (problem) {
    fail(name, ...problem);
    return false;
  }
  waiting.push({ name, blob, source: source.value, ownFirst: ownFirst.checked, ...said, place: addPlace(name) });
  return true;
}

function addPlace(name) {
  const place = document.createElement("li");
  const [label, progress, said] = ["span", "progress", "span"].map((kind) => document.createElement(kind));
  label.textContent = name;
  progress.value = 0;
  progress.setAttribute("aria-label", name);
  said.textContent = text.textWaiting;
  place.append(label, progress, said);
  queueList.append(place);
  return { element: place, progress, say: (words) => { said.textContent = words; } };
}

async function work() {
  if (working) return;
  working = true;
  queueList.setAttribute("aria-busy", "true");
  while (waiting.length) {
    const next = waiting.shift();
    tell();
    await answer(next);
  }
  working = false;
  queueList.removeAttribute("aria-busy");
  tell();
  summarize();
}

function tell() {
  state.textContent = fill(text.textProgress, { done: answered, left: waiting.length + (working ? 1 : 0) });
}

async function answer(photo) {
  for (let attempt = 1; ; attempt += 1) {
    const reply = await send(photo).catch(() => null);
    if (reply?.ok) {
      photo.place.element.remove();
      answered += 1;
      addRow(reply.body, photo.marked);
      return;
    }
    const broken = ["engine_failed", "deadline_exceeded"].includes(reply?.code); // its reader decides on another try
    const busy = reply && [429, 503].includes(reply.status) && reply.retryAfter > 0 && !broken;
    if (!busy || attempt === MAX_TRIES) {
      photo.place.element.remove();
      const mayRetry = !reply || reply.status >= 500 || reply.status === 429;
      fail(photo.name, reply?.title || text.textBroken, reply?.code || "not_answered", mayRetry ? photo : null);
      return;
    }
    photo.place.say(text.textAgain);
    await sleep(Math.min(reply.retryAfter, LONGEST_WAIT_S));
  }
}

function send(photo) {
  const body = new FormData();
  body.append("csrf_token", token());
  body.append("source", photo.source);
  if (photo.ownFirst) body.append("own_first", "1");
  body.append("number", nextNumber());
  body.append("photo", photo.blob, photo.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing about an upload's progress
    request.open("POST", text.photoUrl);
    request.setRequestHeader("Accept", "application/problem+json");
    photo.place.say(text.textSending);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) photo.place.progress.value = event.loaded / event.total;
    });
    request.upload.addEventListener("load", () => {
      photo.place.progress.removeAttribute("value");
      photo.place.say(text.textLooking);
    });
    request.addEventListener("load", () => {
      const problem = request.status === 200 ? {} : parse(request.responseText);
      resolve({
        ok: request.status === 200,
        status: request.status,
        body: request.responseText,
        title: problem.title,
        code: problem.code,
        retryAfter: Number(request.getResponseHeader("Retry-After")),
      });
    });
    request.addEventListener("error", reject);
    request.send(body);
  });
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}

// The table

function toRow(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("tr");
}

function addRow(html, marked) {
  results.hidden = false;
  const row = toRow(html);
  row.querySelector('input[name="marked"]').checked = Boolean(marked);
  rows.append(row);
  arrange();
}

function fail(name, reason, code, photo = null) {
  results.hidden = false;
  failures.hidden = false;
  const item = document.createElement("li");
  const label = document.createElement("strong");
  label.textContent = name;
  item.append(label, `: ${reason} `);
  item.dataset.failed = `${code} ${name.replaceAll("\n", " ")}`;
  if (photo) {
    const again = document.createElement("button");
    again.type = "button";
    again.className = "quiet";
    again.textContent = text.textRetry;
    again.addEventListener("click", () => {
      item.remove();
      carryFailures();
      failures.hidden = !failures.querySelector("li");
      const { source, ownFirst, marked } = photo;
      enqueue(photo.name, photo.blob, { source, ownFirst, marked });
      work();
    });
    item.append(again);
  }
  failures.querySelector("ul").append(item);
  carryFailures();
}

// All in one field, a line each: an archive may hold hundreds, and a form may not have as many fields.
function carryFailures() {
  const lines = [...failures.querySelectorAll("li")].map((item) => item.dataset.failed);
  casesForm.elements.failed.value = lines.join("\n");
}

const ORDERS = {
  number: (row) => [Number(row.dataset.number)],
  name: (row) => [row.dataset.name, Number(row.dataset.number)],
  malignancy: (row) => [-row.dataset.malignancy, Number(row.dataset.number)],
  urgent: (row) => [-row.dataset.urgent, Number(row.dataset.number)],
};

function arrange() {
  const key = ORDERS[casesForm.elements.order.value];
  const shown = casesForm.elements.show.value;
  const sorted = [...rows.children].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    const first = a.findIndex((value, index) => value !== b[index]);
    if (first < 0) return 0;
    return a[first] < b[first] ? -1 : 1;
  });
  sorted.forEach((row, index) => { // a row that moves loses the focus and closes its list, so the others stay
    if (row !== rows.children[index]) rows.insertBefore(row, rows.children[index]);
  });
  for (const row of sorted) {
    row.hidden = shown !== "all" && !("hidden" in row.dataset) && !row.dataset.flags.split(" ").includes(shown);
  }
  const asked = sorted.some((row) => "hidden" in row.dataset); // for the reader's own diagnosis, which comes first
  document.querySelector(".own-first").hidden = !asked;
  for (const button of document.querySelectorAll(".actions button")) button.disabled = asked;
}

async function summarize() {
  const body = new URLSearchParams({ csrf_token: token(), failures: failures.querySelectorAll("li").length });
  for (const row of rows.children) body.append("told", row.dataset.told);
  const reply = await fetch(text.summaryUrl, { method: "POST", body }).catch(() => null);
  if (reply?.ok) document.getElementById("summary").innerHTML = await reply.text();
}

// A diagnosis counts once its reader says so: a key in the list passes others on the way to the one that is meant.
rows.addEventListener("input", (event) => {
  const select = event.target.closest("select.own");
  if (select) select.closest("tr").querySelector(".asked button").disabled = !select.value;
});

rows.addEventListener("click", async (event) => {
  const row = event.target.closest(".asked button")?.closest("tr");
  if (!row || row.ariaBusy) return;
  row.ariaBusy = "true"; // not a disabled list: a form that is sent meanwhile would lack this row's diagnosis
  const body = new URLSearchParams({
    csrf_token: token(),
    own_first: "1",
    number: row.dataset.number,
    case: row.querySelector('input[name="case"]').value,
    detail: row.querySelector("input.detail").value,
    own: row.querySelector("select.own").value,
  });
  const reply = await fetch(text.rowUrl, { method: "POST", body, headers: { Accept: "application/problem+json" } })
    .catch(() => null);
  if (!reply?.ok) {
    row.ariaBusy = null;
    state.textContent = (reply && parse(await reply.text()).title) || text.textBroken;
    return;
  }
  const answeredRow = toRow(await reply.text());
  answeredRow.querySelector('input[name="marked"]').checked = row.querySelector('input[name="marked"]').checked;
  row.replaceWith(answeredRow);
  arrange();
  answeredRow.querySelector(".open button")?.focus();
  summarize();
});

for (const name of ["order", "show"]) casesForm.elements[name].addEventListener("change", arrange);
casesForm.addEventListener("submit", (event) => {
  if (event.submitter?.classList.contains("update")) event.preventDefault();
  if (event.submitter?.closest(".exports")) {
    event.preventDefault();
    save(event.submitter.formAction);
  }
});

// A file is fetched and saved, since the page of an error would take the table's place.

async function save(url) {
  const told = document.getElementById("export-state");
  told.textContent = "";
  const body = new URLSearchParams(new FormData(casesForm));
  const reply = await fetch(url, { method: "POST", body, headers: { Accept: "application/problem+json" } })
    .catch(() => null);
  const content = await reply?.blob().catch(() => null);
  if (!reply?.ok || !content) {
    told.textContent = (content && parse(await content.text()).title) || text.textBroken;
    return;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = /filename="([^"]+)"/.exec(reply.headers.get("Content-Disposition"))[1];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000 * LONGEST_WAIT_S); // a phone asks its reader first
}

// Where a form makes another page of the rows, their pictures go along, in one file: as fields they would be too long.

function attachDetails(wanted) {
  const lines = [...rows.children].map((row) => {
    const detail = row.querySelector("input.detail, .open input[name='detail']");
    return (wanted(row) && detail?.value) || "";
  });
  const packed = new DataTransfer();
  packed.items.add(new File([lines.join("\n")], "pictures", { type: "text/plain" }));
  if (packed.files[0].size > Number(text.limitMb) * 1e6) return; // the numbers go without
  const field = document.createElement("input");
  Object.assign(field, { type: "file", name: "pictures", hidden: true, files: packed.files });
  casesForm.enctype = "multipart/form-data";
  casesForm.append(field);
  setTimeout(() => { // after the form has been sent
    field.remove();
    casesForm.removeAttribute("enctype");
  });
}

document.getElementById("compare").addEventListener("click", () => {
  attachDetails((row) => row.querySelector('input[name="marked"]').checked);
});

// An answer has no address: the other language is asked for with the rows, as the page's plain form does. A page that
// came with rows has buttons in place of the links, which send that form by themselves.

function attachAll() {
  const waiting = [...rows.querySelectorAll("tr[data-hidden]")];
  for (const row of waiting) {
    if (!row.ariaBusy) row.querySelector("select.own").value = ""; // chosen, but its reader has not said so
  }
  const asked = document.createElement("input");
  Object.assign(asked, { type: "hidden", name: "own_first", value: "1" });
  // Also where the box is empty by now: a row that waits goes on to hide the model's answer.
  const hides = photosForm.elements.own_first.checked || waiting.length > 0;
  if (hides && !casesForm.elements.own_first) casesForm.append(asked);
  casesForm.elements.source.value = photosForm.elements.source.value; // or photos to come would be judged by a guess
  attachDetails(() => true);
  rowsGoAlong = true;
}

for (const link of document.querySelectorAll(".languages a")) {
  link.addEventListener("click", (event) => {
    if (!rows.children.length && !failures.querySelector("li")) return;
    event.preventDefault();
    attachAll();
    const table = new URL(casesForm.action);
    table.pathname = table.pathname.replace(/^\/[^/]+/, `/${link.lang}`);
    casesForm.action = table;
    casesForm.submit();
  });
}
for (const button of document.querySelectorAll(".languages button")) button.addEventListener("click", attachAll);

// What the visitor does

photosForm.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!input.files.length) {
    state.textContent = text.textNoPhoto;
    input.focus();
    return;
  }
  const files = [...input.files];
  input.value = "";
  take(files);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  photosForm.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) photosForm.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  photosForm.classList.remove("dropping");
  take([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) take(files);
});
window.addEventListener("beforeunload", (event) => {
  const loses = working || (rows.children.length > 0 && !rowsGoAlong);
  rowsGoAlong = false; // should the reader stay after all
  if (loses) event.preventDefault(); // or the answers, the reader's own diagnoses and the photos to come would be lost
});
