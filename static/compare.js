// Photos of one spot side by side. They are kept by spots.js in this browser; nothing on this page is sent anywhere.
"use strict";

const page = document.getElementById("compare");
const byId = (id) => document.getElementById(id);
const SIDES = ["before", "after"];
const FORMAT = "skin-check photos 1"; // of the file that the visitor saves

let photos = []; // all of them, the oldest first
const shown = {}; // side -> the object URL of its photo

document.documentElement.classList.add("scripted");
page.hidden = false;
byId("date").value = byId("date").max = spots.day(new Date());

function say(name) {
  const state = byId("compare-state");
  state.textContent = name ? page.dataset["text" + name] : "";
  if (!name) return;
  state.scrollIntoView({ block: "nearest" }); // on a phone the button that was used lies screens below
  const used = document.activeElement;
  // A button that is hidden or disabled now, as after the last photo was deleted, loses the focus to nowhere.
  if (used !== document.body && (used.disabled || !used.offsetParent)) state.focus({ preventScroll: true });
}

// What the page shows

async function refresh(spot) {
  photos = (await spots.all()).sort((one, other) => one.date.localeCompare(other.date) || one.id - other.id);
  const names = [...new Set(photos.map((photo) => photo.spot))].sort((one, other) => one.localeCompare(other));
  fill(byId("spot"), names.map((name) => [name, name]));
  byId("names").replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(spot)) byId("spot").value = spot;
  byId("pair").hidden = photos.length === 0;
  byId("save").disabled = byId("delete-all").disabled = photos.length === 0;
  showSpot();
}

function fill(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

function ofSpot() {
  return photos.filter((photo) => photo.spot === byId("spot").value);
}

function dayInWords(date) {
  const day = new Date(date + "T12:00");
  const language = document.documentElement.lang;
  // Chromium has no Kazakh names of months; in figures a day is written as in Russian. On a phone a name would also push
  // the year out of the list, and the year is what tells two Novembers apart.
  return language === "en" ? day.toLocaleDateString("en-GB", { dateStyle: "medium" }) : day.toLocaleDateString("ru");
}

function showSpot() {
  const entries = ofSpot().map((photo) => [String(photo.id), dayInWords(photo.date)]);
  for (const side of SIDES) fill(byId(side), entries);
  byId("after").selectedIndex = entries.length - 1;
  byId("only-one").hidden = entries.length !== 1;
  byId("after").closest("figure").hidden = entries.length === 1; // beside itself it would read as a spot that does not change
  SIDES.forEach(showPhoto);
}

function showPhoto(side) {
  const photo = photos.find((one) => String(one.id) === byId(side).value);
  const image = byId(side + "-photo");
  if (shown[side]) URL.revokeObjectURL(shown[side]);
  shown[side] = photo && URL.createObjectURL(photo.picture);
  if (!photo) return image.removeAttribute("src");
  image.src = shown[side];
  image.alt = `${page.dataset.textAlt} ${dayInWords(photo.date)}`;
}

byId("spot").addEventListener("change", showSpot);
for (const side of SIDES) byId(side).addEventListener("change", () => showPhoto(side));

// What the visitor does

// Runs one task after a button was used, and says how it went: the text that the task names, if any.
async function attempt(task) {
  say("");
  try {
    say(await task());
  } catch (error) {
    say(error instanceof NotUsable ? error.message : "NotKept");
  }
}

class NotUsable extends Error {} // its message is the name of a text

async function redraw(blob, complaint) {
  try {
    return await spots.redraw(blob);
  } catch {
    throw new NotUsable(complaint);
  }
}

byId("picture").addEventListener("change", () => {
  const file = byId("picture").files[0];
  if (file) byId("date").value = spots.day(new Date(file.lastModified));
});

byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    // Read at once: meanwhile the visitor may go on to the next photo, whose day would be taken for this one's.
    const [file, spot, date] = [byId("picture").files[0], byId("name").value.trim(), byId("date").value];
    await spots.add({ spot, date, picture: await redraw(file, "NotAPhoto") });
    if (byId("picture").files[0] === file) byId("picture").value = "";
    await refresh(spot);
    return "Kept";
  });
});

for (const button of page.querySelectorAll("[data-delete]")) {
  button.addEventListener("click", () => attempt(async () => {
    if (!window.confirm(page.dataset.textDeletePhoto)) return null;
    const spot = byId("spot").value;
    await spots.remove(Number(byId(button.dataset.delete).value));
    await refresh(spot);
    return "Deleted";
  }));
}

byId("delete-all").addEventListener("click", () => attempt(async () => {
  if (!window.confirm(page.dataset.textDeleteAll)) return null;
  await spots.removeAll();
  await refresh();
  return "Deleted";
}));

// The file of one's own

function asDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

function asBlob(url) {
  const [, base64] = /^data:image\/jpeg;base64,([A-Za-z0-9+/=]+)$/.exec(url);
  return new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type: "image/jpeg" });
}

async function asRow({ spot, date, picture }) {
  return { spot, date, picture: await asDataUrl(picture) };
}

byId("save").addEventListener("click", () => attempt(async () => {
  const rows = await Promise.all(photos.map(asRow));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ format: FORMAT, photos: rows })], { type: "application/json" }));
  link.download = `skin-photos-${spots.day(new Date())}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}));

async function read(file) {
  try {
    const content = JSON.parse(await file.text());
    if (content.format !== FORMAT) throw new Error("another format");
    return await Promise.all(content.photos.map(async ({ spot, date, picture }) => {
      if (typeof spot !== "string" || spot.length > 80) throw new Error("no name"); // an early one may be empty
      if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(date))) throw new Error("no day");
      const blob = asBlob(picture);
      (await createImageBitmap(blob)).close();
      return { spot, date, picture: blob }; // not drawn anew: each time would lose detail
    }));
  } catch {
    throw new NotUsable("NotOurs");
  }
}

// Those that are not kept yet: a photo beside itself would read as a spot that does not change.
async function withoutDuplicates(added) {
  const keys = (some) => Promise.all(some.map(async (photo) => JSON.stringify(await asRow(photo))));
  const kept = new Set(await keys(await spots.all()));
  const found = await keys(added);
  return added.filter((_, place) => !kept.has(found[place]) && found.indexOf(found[place]) === place);
}

byId("load").addEventListener("change", () => attempt(async () => {
  const file = byId("load").files[0];
  if (!file) return null;
  byId("load").value = "";
  const found = await read(file);
  const added = await withoutDuplicates(found);
  await spots.add(...added);
  await refresh(found.at(-1)?.spot);
  return added.length ? "Loaded" : "NothingNew";
}));

attempt(() => refresh());
