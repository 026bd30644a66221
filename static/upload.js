// Preview, square crop, drag and drop, paste, scaling down and progress. The form works without any of it.
"use strict";

const MAX_SIDE_PX = 2048; // of what is sent; the model compares photos at far less
const LATER_SIDE_PX = 768; // after the connection broke: a seventh of the pixels gets through where all did not
// Of the JPEG that is sent: a small square is not averaged down before the model sees it.
const jpegQuality = (side) => (side > 700 ? 0.92 : 0.98);
const HANDLE_PX = 26; // how near to a corner a finger must be to take it
const SMALLEST_PART = 1 / 8; // of the photo's shorter side

const form = document.getElementById("upload");
const SMALLEST_PX = Number(form.dataset.smallestPx); // of the photo: the server takes nothing smaller
const inputs = [...form.querySelectorAll('input[type="file"]')];
const submitButton = form.querySelector('button[type="submit"]');
const pick = form.querySelector(".pick");
const cropBox = form.querySelector(".crop");
const canvas = form.querySelector("canvas");
const state = document.getElementById("state");
const progress = document.getElementById("progress");

let file = null; // what the visitor chose
let opening = null; // what `choose` is still about; a photo sent before that would be the file itself, place and all
let picture = null; // the same, decoded; null where the browser cannot show it
let square = null; // what will be sent: {x, y, side} in the picture's pixels
let longestSide = MAX_SIDE_PX;

document.documentElement.classList.add("scripted");

function say(name) {
  state.textContent = name ? form.dataset["text" + name] : "";
}

// Choosing a photo

function choose(newFile) {
  if (!newFile) return;
  const mine = decode(newFile).finally(() => {
    if (opening === mine) opening = null;
  });
  opening = mine;
}

async function decode(newFile) {
  forget();
  if (newFile.type && !/^image\/|^application\/dicom$/.test(newFile.type)) return say("NotAPhoto");
  file = newFile;
  say("Opening");
  let opened;
  try {
    opened = await createImageBitmap(newFile, { imageOrientation: "from-image" });
  } catch {
    if (file !== newFile) return; // another photo was chosen meanwhile
    // A format that this browser cannot show, such as HEIC or DICOM, may still be one that the server reads.
    if (file.size > form.dataset.limitMb * 1e6) {
      forget();
      return say("TooLarge");
    }
    return say("AsItIs");
  }
  if (file !== newFile) return opened.close();
  picture = opened;
  const side = Math.min(picture.width, picture.height);
  square = { x: (picture.width - side) / 2, y: (picture.height - side) / 2, side };
  pick.hidden = true;
  cropBox.hidden = false;
  say("Ready");
  draw();
  if (submitButton.disabled) return; // the photo is on its way already
  canvas.focus({ preventScroll: true }); // what had it is hidden now, and a keyboard goes on from here
  cropBox.scrollIntoView({ block: "nearest" });
}

function forget() {
  picture?.close();
  file = picture = square = null;
  pick.hidden = false;
  cropBox.hidden = true;
  say("");
}

for (const input of inputs) {
  input.addEventListener("change", () => choose(input.files[0]));
  if (input.files.length) choose(input.files[0]); // the browser kept it while the visitor was on another page
}

document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault(); // or the browser would open a dropped photo in place of the page
  form.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("dropping");
  choose(event.dataTransfer.files[0]);
});

// The square

function draw() {
  const scale = Math.min(1, 1200 / Math.max(picture.width, picture.height));
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  const [x, y, side] = [square.x * scale, square.y * scale, square.side * scale];
  const line = Math.max(2, canvas.width / 200);
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  pen.fillStyle = "rgb(0 0 0 / 55%)";
  pen.beginPath();
  pen.rect(0, 0, canvas.width, canvas.height);
  pen.rect(x, y, side, side);
  pen.fill("evenodd");
  for (const [colour, width] of [["#10191e", 2.2 * line], ["#ffffff", line]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(x + line, y + line, side - 2 * line, side - 2 * line);
  }
  // How large the spot should look: one that fills little of the square is easily missed by the model.
  pen.setLineDash([4 * line, 4 * line]);
  for (const [colour, offset] of [["#10191e", 0], ["#ffffff", 4 * line]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = line;
    pen.lineDashOffset = offset;
    pen.beginPath();
    pen.arc(x + side / 2, y + side / 2, side / 4, 0, 2 * Math.PI);
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.fillStyle = "#ffffff";
  const corner = Math.min(side / 5, 10 * line);
  for (const [left, top] of [[x, y], [x + side - corner, y], [x, y + side - corner], [x + side - corner, y + side - corner]]) {
    const [across, down] = [left === x ? 0 : corner - 3 * line, top === y ? 0 : corner - 3 * line];
    pen.fillRect(left, top + down, corner, 3 * line);
    pen.fillRect(left + across, top, 3 * line, corner);
  }
}

function smallestSide() {
  const longest = Math.min(picture.width, picture.height);
  return Math.min(Math.max(longest * SMALLEST_PART, SMALLEST_PX), longest);
}

function place(x, y, side) {
  side = Math.min(Math.max(side, smallestSide()), picture.width, picture.height);
  square = {
    x: Math.min(Math.max(x, 0), picture.width - side),
    y: Math.min(Math.max(y, 0), picture.height - side),
    side,
  };
  draw();
}

function resize(factor) {
  const side = square.side * factor;
  place(square.x + (square.side - side) / 2, square.y + (square.side - side) / 2, side);
}

function shift(across, down) {
  const step = Math.max(1, square.side / 25);
  place(square.x + across * step, square.y + down * step, square.side);
}

const KEYS = {
  ArrowLeft: () => shift(-1, 0),
  ArrowRight: () => shift(1, 0),
  ArrowUp: () => shift(0, -1),
  ArrowDown: () => shift(0, 1),
  "+": () => resize(1.1),
  "=": () => resize(1.1), // the same key without Shift
  "-": () => resize(1 / 1.1),
};
canvas.addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});

form.querySelector('[data-crop="smaller"]').addEventListener("click", () => resize(1 / 1.15));
form.querySelector('[data-crop="larger"]').addEventListener("click", () => resize(1.15));
form.querySelector('[data-crop="another"]').addEventListener("click", () => {
  forget();
  for (const input of inputs) input.value = "";
  inputs.find((input) => input.offsetParent).focus();
});

const fingers = new Map(); // pointer id -> where it is, in the picture's pixels
let drag = null; // what the pointer moves; called with where it is

function inPicture(event) {
  const box = canvas.getBoundingClientRect();
  const scale = picture.width / box.width;
  return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale, handle: HANDLE_PX * scale };
}

function takeCorner(at) {
  const { x, y, side } = square;
  for (const [right, bottom] of [[false, false], [true, false], [false, true], [true, true]]) {
    const corner = { x: right ? x + side : x, y: bottom ? y + side : y };
    if (Math.hypot(at.x - corner.x, at.y - corner.y) > at.handle) continue;
    const fixed = { x: right ? x : x + side, y: bottom ? y : y + side };
    return (to) => {
      const wanted = Math.max(right ? to.x - fixed.x : fixed.x - to.x, bottom ? to.y - fixed.y : fixed.y - to.y);
      const room = Math.min(
        right ? picture.width - fixed.x : fixed.x,
        bottom ? picture.height - fixed.y : fixed.y,
      );
      const newSide = Math.min(Math.max(wanted, smallestSide()), room);
      place(right ? fixed.x : fixed.x - newSide, bottom ? fixed.y : fixed.y - newSide, newSide);
    };
  }
  return null;
}

function takeMiddle(at) {
  const inside = at.x > square.x && at.y > square.y && at.x < square.x + square.side && at.y < square.y + square.side;
  if (!inside) place(at.x - square.side / 2, at.y - square.side / 2, square.side);
  const grip = { x: at.x - square.x, y: at.y - square.y };
  return (to) => place(to.x - grip.x, to.y - grip.y, square.side);
}

function spread() {
  const [one, other] = [...fingers.values()];
  return Math.hypot(one.x - other.x, one.y - other.y);
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  const at = inPicture(event);
  fingers.set(event.pointerId, at);
  drag = fingers.size === 1 ? takeCorner(at) || takeMiddle(at) : null;
});
canvas.addEventListener("pointermove", (event) => {
  if (!fingers.has(event.pointerId)) return;
  const before = fingers.size === 2 ? spread() : 0;
  fingers.set(event.pointerId, inPicture(event));
  if (fingers.size === 2 && before > 0) resize(spread() / before);
  else if (drag) drag(fingers.get(event.pointerId));
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    drag = null;
  });
}

// Sending

function cut() {
  const side = Math.round(Math.min(square.side, longestSide));
  const target = document.createElement("canvas");
  target.width = target.height = side;
  const pen = target.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, square.x, square.y, square.side, square.side, 0, 0, side, side);
  // Drawing leaves behind whatever else the camera wrote into the file, such as the place.
  return new Promise((resolve) => target.toBlob(resolve, "image/jpeg", jpegQuality(side)));
}

function busy(on) {
  form.classList.toggle("looking", on);
  form.setAttribute("aria-busy", on);
  if (on) { // a button that is disabled loses the focus to nowhere
    state.focus({ preventScroll: true });
    state.scrollIntoView({ block: "nearest" });
  }
  submitButton.disabled = on;
  progress.hidden = !on;
}

// What was chosen may be in no gallery, and what is left now would have to be photographed again.
window.addEventListener("beforeunload", (event) => {
  if (file) event.preventDefault();
});

function fail() {
  busy(false);
  say("Broken");
  submitButton.focus({ preventScroll: true });
}

// A problem that passes is told here: in its page's place the form keeps the photo, which may be in no gallery.
function tell(html) {
  const problem = new DOMParser().parseFromString(html, "text/html");
  const said = [...problem.querySelectorAll("main h1, main p")].filter((part) => !part.querySelector("a") && !part.closest("details"));
  fail();
  if (!said.length) return; // the page is a proxy's
  state.textContent = said.map((part) => part.textContent.trim()).join("\n");
  state.scrollIntoView({ block: "nearest" });
}

function show(html) {
  history.pushState(null, "", form.action);
  document.open(); // forgets every listener, so the one for the new page is set after it
  window.addEventListener("popstate", () => {
    // An answer's address, in whatever language or with a #place, is that of what is still here.
    if (!window.location.pathname.endsWith("/")) return;
    const question = document.querySelector("[data-text-leave]")?.dataset.textLeave;
    if (question && !window.confirm(question)) window.history.forward();
    else window.location.reload(); // the address before the answer's is that of a page no longer here
  });
  document.write(html);
  document.close();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!file) {
    say("NoPhoto");
    inputs.find((input) => input.offsetParent)?.focus();
    return;
  }
  busy(true);
  while (opening) await opening;
  if (!file) return busy(false); // it turned out to be none that can be sent, and that was said
  const body = new FormData();
  body.append("csrf_token", form.elements.csrf_token.value);
  for (const name of ["source", "site"]) body.append(name, form.elements[name].value);
  // A browser that draws the photo but cannot encode it sends the file itself.
  body.append("photo", (picture && (await cut())) || file, "photo");
  send(body);
});

function send(body, isSecondTime = false) {
  say("Sending");
  const isProblem = (code) => request.responseText.includes(`data-problem="${code}"`);
  const request = new XMLHttpRequest(); // fetch tells nothing about an upload's progress
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) progress.value = event.loaded / event.total;
  });
  request.upload.addEventListener("load", () => {
    progress.removeAttribute("value"); // from here on nobody knows how long
    say("Looking");
  });
  request.addEventListener("load", () => {
    const isPage = request.getResponseHeader("Content-Type")?.startsWith("text/html");
    if (!isPage) fail();
    else if (isProblem("csrf_expired") && !isSecondTime) sendWithNewToken(body);
    else if (isProblem("csrf_expired") || request.status === 429 || request.status >= 500) tell(request.responseText);
    else if (isProblem("body_cut_off")) {
      longestSide = LATER_SIDE_PX;
      tell(request.responseText);
    } else show(request.responseText);
  });
  request.addEventListener("error", () => {
    longestSide = LATER_SIDE_PX;
    fail();
  });
  request.send(body);
}

// The page was open for too long, or the browser was closed meanwhile and has lost the cookie.
async function sendWithNewToken(body) {
  try {
    const page = new DOMParser().parseFromString(await (await fetch(window.location.href)).text(), "text/html");
    form.elements.csrf_token.value = page.getElementById("upload").elements.csrf_token.value;
  } catch {
    return fail();
  }
  body.set("csrf_token", form.elements.csrf_token.value);
  send(body, true);
}
