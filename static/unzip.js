// A ZIP archive is opened in the browser, so that its photos travel one by one like any others.
"use strict";

const FIRST = [0x04034b50, 0x06054b50]; // of a file, or of an archive without one
const ENTRY = 0x02014b50; // of the central directory (APPNOTE.TXT 4.3.12)
const END = 0x06054b50; // of the archive (4.3.16)
const END_BYTES = 22;
const LONGEST_COMMENT = 65535;
const LOCKED_FLAGS = 0x61; // protected by a password, a patch for another file, strongly encrypted (4.4.4)
const UTF8_FLAG = 0x800; // the name's encoding (4.4.4, bit 11)
const UNIX_SYSTEMS = [3, 19]; // of the version made by (4.4.2): Unix and macOS

// By its first bytes, as the site does: a name says nothing of what a file is.
async function isArchive(file) {
  const head = await file.slice(0, 4).arrayBuffer().catch(() => null); // a file of a cloud may not be had
  return head?.byteLength === 4 && FIRST.includes(new DataView(head).getUint32(0, true));
}

function canOpenArchives() {
  try {
    new DecompressionStream("deflate-raw");
    return true;
  } catch {
    return false;
  }
}

// Gives {name, blob} one after the other, or with the code of a problem in place of a blob that cannot be had; whatever is
// no photo by its place (folders, hidden files) is left out. Throws where the archive's list cannot be read. The limits are
// the site's, in app/archives.py; `budget` {bytes, entries, largest, ratio} is what all archives may still hold together.
// Once `isFull`, nothing more is unpacked.
async function* openArchive(file, budget, isFull) {
  const tail = new DataView(await file.slice(Math.max(0, file.size - END_BYTES - LONGEST_COMMENT)).arrayBuffer());
  let end = tail.byteLength - END_BYTES;
  while (end >= 0 && tail.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw new Error("no end");
  const start = tail.getUint32(end + 16, true);
  const list = new DataView(await file.slice(start, start + tail.getUint32(end + 12, true)).arrayBuffer());
  const found = [];
  let listed = 0;
  for (let at = 0; at < list.byteLength;) {
    if (list.getUint32(at, true) !== ENTRY) throw new Error("no entry");
    listed += 1;
    if (listed > budget.entries) {
      yield { name: file.name, code: "archive_too_large" };
      return;
    }
    const [flags, method] = [list.getUint16(at + 8, true), list.getUint16(at + 10, true)];
    const [packedSize, size] = [list.getUint32(at + 20, true), list.getUint32(at + 24, true)];
    const [nameSize, extraSize, commentSize] = [28, 30, 32].map((place) => list.getUint16(at + place, true));
    const place = list.getUint32(at + 42, true);
    // Windows writes names in its own code page, a Cyrillic one here; macOS writes UTF-8 without the flag.
    const isUtf8 = flags & UTF8_FLAG || UNIX_SYSTEMS.includes(list.getUint8(at + 5));
    const name = new TextDecoder(isUtf8 ? "utf-8" : "ibm866").decode(new Uint8Array(list.buffer, at + 46, nameSize));
    at += 46 + nameSize + extraSize + commentSize;
    const last = name.split("/").pop();
    if (!last || last.startsWith(".") || name.startsWith("__MACOSX/") || /^thumbs\.db$/i.test(last)) continue;
    found.push({ name: last, flags, method, packedSize, size, place });
  }
  budget.entries -= listed;
  for (const { name, flags, method, packedSize, size, place } of found) {
    if (isFull()) yield { name, code: "too_many_photos" };
    else if (flags & LOCKED_FLAGS || ![0, 8].includes(method)) yield { name, code: "packed_otherwise" };
    else if (size > budget.ratio * Math.max(packedSize, 1)) yield { name, code: "archive_too_large" };
    else if (size > budget.largest) yield { name, code: "body_too_large" };
    else if (size > budget.bytes) {
      budget.bytes = 0;
      yield { name: file.name, code: "archive_too_large" };
      return;
    } else {
      budget.bytes -= size;
      yield { name, ...await unpack(file, place, packedSize, size, method) };
    }
  }
}

async function unpack(file, place, packedSize, size, method) {
  try {
    return { blob: await contentOf(file, place, packedSize, size, method) };
  } catch {
    return { code: "damaged_image" };
  }
}

async function contentOf(file, place, packedSize, size, method) {
  const head = new DataView(await file.slice(place, place + 30).arrayBuffer());
  const start = place + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const packed = file.slice(start, start + packedSize);
  if (method === 0) return packed;
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  let left = size; // an entry that holds more than it states is a bomb
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    left -= part.value.length;
    if (left < 0) throw new Error("larger than stated");
    parts.push(part.value);
  }
  return new Blob(parts);
}
