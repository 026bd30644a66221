// Marks lesions in one wide photo, cuts them out at full resolution and hands them to clinician.js as photos of one
// person. The wide photo never leaves the browser.
"use strict";

const wide = document.getElementById("wide");
const wideInput = wide.querySelector('input[type="file"]');
const wideWindow = wide.querySelector(".wide-window");
const widePhoto = wide.querySelector(".wide-photo");
const wideImage = wide.querySelector("img");
const wideZoom = wide.querySelector('[data-wide="zoom"]');
const wideState = wide.querySelector(".state");
const SMALLEST_BOX_PX = Number(wide.dataset.smallestPx); // of the photo: the server takes nothing smaller
const SMALLEST_TARGET_PX = 24; // of the page, so that a finger can take the square
const FIRST_BOX_SHARE = 1 / 8; // of the photo's shorter side
const CORNER_PX = 14; // of the page: how near to its lower right corner a drag changes a square's size
const DRAWN_PX = 6; // of the page: a mouse that moved less has clicked
const CUT_QUALITY = 0.95;

let wideName = "";
let boxes = []; // {x, y, side} in the photo's pixels, with the button that shows it, and whether it was sent
let chosen = null; // the box that the buttons change
let lastSide = 0;
let marked = 0; // the number of the last box
const hasUnsent = () => boxes.some((box) => !box.sent);

// Choosing the photo

async function openWide(file) {
  if (!file) return;
  if (hasUnsent() && !window.confirm(wide.dataset.textDropSquares)) {
    wideInput.value = ""; // or the same photo could not be chosen later
    return;
  }
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(image.src);
    wideState.textContent = wide.dataset.textUnshown;
    return;
  }
  if (wideImage.src) URL.revokeObjectURL(wideImage.src);
  for (const box of boxes) box.button.remove();
  boxes = [];
  chosen = null;
  marked = 0;
  wideName = file.name.replace(/\.\w+$/, "");
  wideImage.src = image.src;
  await wideImage.decode();
  wideZoom.value = 1;
  showAtZoom();
  lastSide = Math.min(wideImage.naturalWidth, wideImage.naturalHeight) * FIRST_BOX_SHARE;
  wide.querySelector(".marking").hidden = false;
  tellMarked();
}

// Not enlarged, the whole photo is seen; 75vh is the height of its window in clinician.css.
function showAtZoom() {
  const ratio = wideImage.naturalWidth / wideImage.naturalHeight;
  widePhoto.style.width = `calc(${wideZoom.value} * min(100%, ${ratio} * 75vh))`;
}

wideInput.addEventListener("change", () => openWide(wideInput.files[0]));
if (wideInput.files.length) openWide(wideInput.files[0]); // the browser kept it while its reader was on another page
wide.addEventListener("dragover", (event) => {
  event.preventDefault();
  event.stopPropagation(); // a photo that is dropped elsewhere joins the series
  photosForm.classList.remove("dropping");
  wide.classList.add("dropping");
});
wide.addEventListener("dragleave", () => wide.classList.remove("dropping"));
wide.addEventListener("drop", (event) => {
  event.preventDefault();
  event.stopPropagation();
  wide.classList.remove("dropping");
  openWide(event.dataTransfer.files[0]);
});

// The squares

const pixelsEach = () => wideImage.naturalWidth / wideImage.getBoundingClientRect().width; // of the photo, a page's pixel

function pointIn(event) {
  const frame = wideImage.getBoundingClientRect();
  return { x: (event.clientX - frame.left) * pixelsEach(), y: (event.clientY - frame.top) * pixelsEach() };
}

function placeBox(box, x, y, side) {
  const [width, height] = [wideImage.naturalWidth, wideImage.naturalHeight];
  const smallest = Math.max(SMALLEST_BOX_PX, SMALLEST_TARGET_PX * pixelsEach());
  box.side = Math.min(Math.max(side, smallest), width, height);
  box.x = Math.min(Math.max(x, 0), width - box.side);
  box.y = Math.min(Math.max(y, 0), height - box.side);
  const { style } = box.button;
  [style.left, style.top] = [`${(100 * box.x) / width}%`, `${(100 * box.y) / height}%`];
  [style.width, style.height] = [`${(100 * box.side) / width}%`, `${(100 * box.side) / height}%`];
  lastSide = box.side;
}

function addBox(x, y, side) {
  marked += 1;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lesion-box";
  button.textContent = marked;
  button.setAttribute("aria-label", fill(wide.dataset.textLesion, { number: marked }));
  button.setAttribute("aria-describedby", "wide-help");
  const box = { number: marked, button, sent: false };
  button.addEventListener("focus", () => { chosen = box; });
  button.addEventListener("keydown", (event) => pressed(event, box));
  button.addEventListener("pointerdown", (event) => grab(event, box));
  widePhoto.append(button);
  boxes.push(box);
  placeBox(box, x, y, side);
  button.focus({ preventScroll: true });
  tellMarked();
  return box;
}

function removeBox(box) {
  if (!box || box.sent) return;
  const next = boxes[boxes.indexOf(box) + 1] || boxes[boxes.indexOf(box) - 1];
  boxes = boxes.filter((other) => other !== box);
  chosen = null;
  box.button.remove();
  (next ? next.button : wide.querySelector('[data-wide="add"]')).focus();
  tellMarked();
}

function resizeBox(box, factor) {
  if (!box || box.sent) return;
  const side = box.side * factor;
  placeBox(box, box.x + (box.side - side) / 2, box.y + (box.side - side) / 2, side);
}

function shiftBox(box, across, down) {
  const step = Math.max(1, box.side / 20);
  placeBox(box, box.x + across * step, box.y + down * step, box.side);
}

function tellMarked() {
  const left = boxes.filter((box) => !box.sent).length;
  wideState.textContent = fill(wide.dataset.textMarked, { number: boxes.length, left });
}

const BOX_KEYS = {
  ArrowLeft: (box) => shiftBox(box, -1, 0),
  ArrowRight: (box) => shiftBox(box, 1, 0),
  ArrowUp: (box) => shiftBox(box, 0, -1),
  ArrowDown: (box) => shiftBox(box, 0, 1),
  "+": (box) => resizeBox(box, 1.1),
  "=": (box) => resizeBox(box, 1.1), // the same key without Shift
  "-": (box) => resizeBox(box, 1 / 1.1),
  Delete: removeBox,
  Backspace: removeBox,
};

function pressed(event, box) {
  if (!BOX_KEYS[event.key] || box.sent || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  BOX_KEYS[event.key](box);
  box.button.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function grab(event, box) {
  event.stopPropagation(); // or a square would be drawn on this one
  if (box.sent) return;
  const { button } = box;
  button.setPointerCapture(event.pointerId);
  const at = pointIn(event);
  const frame = button.getBoundingClientRect();
  const corner = Math.min(CORNER_PX, frame.width / 3);
  const resizes = event.clientX > frame.right - corner && event.clientY > frame.bottom - corner;
  const [origin, grip] = [{ x: box.x, y: box.y }, { x: at.x - box.x, y: at.y - box.y }];
  const move = (moved) => {
    const to = pointIn(moved);
    if (resizes) drawBox(box, origin, to);
    else placeBox(box, to.x - grip.x, to.y - grip.y, box.side);
  };
  follow(button, move);
}

function drawBox(box, from, to) {
  const room = Math.min(
    to.x < from.x ? from.x : wideImage.naturalWidth - from.x,
    to.y < from.y ? from.y : wideImage.naturalHeight - from.y,
  );
  const side = Math.min(Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y)), room);
  placeBox(box, to.x < from.x ? from.x - side : from.x, to.y < from.y ? from.y - side : from.y, side);
}

function follow(element, move, end = () => {}) {
  const stop = () => {
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", stop);
    element.removeEventListener("pointercancel", stop);
    end();
  };
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", stop);
  element.addEventListener("pointercancel", stop);
}

// A finger taps, since dragging scrolls an enlarged photo; a mouse may draw.

let drawn = false;
widePhoto.addEventListener("pointerdown", (event) => {
  drawn = false;
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  event.preventDefault();
  const from = pointIn(event);
  let box = null;
  follow(document, (moved) => {
    if (!box && Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) < DRAWN_PX) return;
    drawn = true;
    box ||= addBox(from.x, from.y, 0);
    drawBox(box, from, pointIn(moved));
  });
});
widePhoto.addEventListener("click", (event) => {
  if (drawn || event.target !== wideImage) return;
  const { x, y } = pointIn(event);
  const side = Math.max(lastSide, SMALLEST_TARGET_PX * pixelsEach());
  addBox(x - side / 2, y - side / 2, side);
});

const TOOLS = {
  add() {
    // In the middle of what is seen of the photo, a little aside of the one before.
    const [seen, frame] = [wideWindow.getBoundingClientRect(), wideImage.getBoundingClientRect()];
    const middle = { x: (seen.left + seen.width / 2 - frame.left) * pixelsEach(), y: (seen.top + seen.height / 2 - frame.top) * pixelsEach() };
    const aside = ((boxes.length % 5) * lastSide) / 3;
    addBox(middle.x - lastSide / 2 + aside, middle.y - lastSide / 2 + aside, lastSide);
  },
  smaller: () => resizeBox(chosen, 1 / 1.15),
  larger: () => resizeBox(chosen, 1.15),
  remove: () => removeBox(chosen),
  send: sendBoxes,
};
for (const [name, act] of Object.entries(TOOLS)) {
  wide.querySelector(`[data-wide="${name}"]`).addEventListener("click", act);
}
wideZoom.addEventListener("input", () => {
  const [acrossShare, downShare] = [wideWindow.scrollLeft / wideWindow.scrollWidth, wideWindow.scrollTop / wideWindow.scrollHeight];
  showAtZoom();
  wideWindow.scrollTo(acrossShare * wideWindow.scrollWidth, downShare * wideWindow.scrollHeight);
});

// Sending

function cutBox(box) {
  const [x, y, side] = [box.x, box.y, box.side].map(Math.floor); // whole pixels are copied, others would be blurred
  const target = document.createElement("canvas");
  target.width = target.height = side;
  target.getContext("2d").drawImage(wideImage, x, y, side, side, 0, 0, side, side);
  return new Promise((resolve) => target.toBlob(resolve, "image/jpeg", CUT_QUALITY));
}

async function sendBoxes() {
  const left = boxes.filter((box) => !box.sent);
  if (!left.length) {
    wideState.textContent = wide.dataset.textNoLesion;
    return;
  }
  for (const box of left) box.sent = true; // all before the first is cut, or a second click would send them again
  for (const box of left) {
    // A lesion in a wide photo was never seen through a dermatoscope.
    box.sent = enqueue(`${wideName}-${box.number}.jpg`, await cutBox(box), { source: "phone", marked: true });
    box.button.classList.toggle("sent", box.sent);
    work(); // with the first, since from then on the browser warns whoever leaves the page
  }
  const refused = left.filter((box) => !box.sent).length;
  wideState.textContent = refused ? fill(wide.dataset.textRefused, { number: refused }) : wide.dataset.textCutting;
}

window.addEventListener("beforeunload", (event) => {
  if (hasUnsent()) event.preventDefault(); // the squares would be lost without a word
});
