// Times inside fragmented MP4: just enough boxes to place a fragment (ISO/IEC 14496-12: moov, moof, tfhd, tfdt, trun).

function* boxes(view, start = 0, end = view.byteLength) {
  while (start + 8 <= end) {
    let size = view.getUint32(start);
    let head = 8;
    if (size === 1) {
      size = Number(view.getBigUint64(start + 8));
      head = 16;
    }
    if (size < head || start + size > end) return;
    const kind = String.fromCharCode(...[4, 5, 6, 7].map((at) => view.getUint8(start + at)));
    yield { kind, start, body: start + head, end: start + size };
    start += size;
  }
}

function find(view, path, start = 0, end = view.byteLength) {
  for (const box of boxes(view, start, end)) {
    if (box.kind === path[0]) return path.length === 1 ? box : find(view, path.slice(1), box.body, box.end);
  }
  return null;
}

const wide = (view, box) => (view.getUint8(box.body) ? 20 : 12);

/** The tracks of an initialisation segment, [{id, timescale, kind}], where the kind is "video" or "audio". */
export function tracks(init) {
  const view = new DataView(init);
  const moov = find(view, ["moov"]);
  if (!moov) throw new Error("no moov box in the initialisation segment");
  const found = [];
  for (const trak of boxes(view, moov.body, moov.end)) {
    if (trak.kind !== "trak") continue;
    const tkhd = find(view, ["tkhd"], trak.body, trak.end);
    const mdhd = find(view, ["mdia", "mdhd"], trak.body, trak.end);
    const hdlr = find(view, ["mdia", "hdlr"], trak.body, trak.end);
    if (!tkhd || !mdhd || !hdlr) continue;
    found.push({
      id: view.getUint32(tkhd.body + wide(view, tkhd)),
      timescale: view.getUint32(mdhd.body + wide(view, mdhd)),
      kind: view.getUint32(hdlr.body + 8) === 0x76696465 ? "video" : "audio", // "vide"
    });
  }
  if (!found.length) throw new Error("no track in the initialisation segment");
  return found;
}

/** A copy of an initialisation segment in which a reader sees only one track. */
export function initOfTrack(init, id) {
  const copy = init.slice(0);
  const view = new DataView(copy);
  const moov = find(view, ["moov"]);
  for (const box of [...boxes(view, moov.body, moov.end)]) {
    if (box.kind === "trak") {
      const tkhd = find(view, ["tkhd"], box.body, box.end);
      if (!tkhd || view.getUint32(tkhd.body + wide(view, tkhd)) !== id) hide(view, box);
    } else if (box.kind === "mvex") {
      for (const trex of [...boxes(view, box.body, box.end)]) {
        if (trex.kind === "trex" && view.getUint32(trex.body + 4) !== id) hide(view, trex);
      }
    }
  }
  return copy;
}

/** A copy of fragments in which a reader sees only one track; null if it has no sample in them. */
export function mediaOfTrack(media, id) {
  const copy = media.slice(0);
  const view = new DataView(copy);
  let some = false;
  let empty = false; // the last moof has no sample of the track
  for (const box of [...boxes(view)]) {
    if (box.kind === "moof") {
      empty = true;
      for (const traf of [...boxes(view, box.body, box.end)]) {
        if (traf.kind !== "traf") continue;
        const tfhd = find(view, ["tfhd"], traf.body, traf.end);
        if (tfhd && view.getUint32(tfhd.body + 4) === id) empty = false;
        else hide(view, traf);
      }
      some ||= !empty;
    }
    if (empty && (box.kind === "moof" || box.kind === "mdat")) hide(view, box);
  }
  return some ? copy : null;
}

/** The samples of a track in fragments, one behind the other. */
export function samplesOf(media, id) {
  const view = new DataView(media);
  const parts = [];
  for (const moof of boxes(view)) {
    if (moof.kind !== "moof") continue;
    for (const traf of boxes(view, moof.body, moof.end)) {
      const tfhd = traf.kind === "traf" && find(view, ["tfhd"], traf.body, traf.end);
      if (!tfhd || view.getUint32(tfhd.body + 4) !== id) continue;
      const flags = view.getUint32(tfhd.body) & 0xffffff;
      // Optional fields before the default size: base offset (8 bytes), description and duration.
      const size = flags & 0x10 ? view.getUint32(tfhd.body + 8 + 8 * (flags & 1) + 2 * (flags & 2) + (flags & 8) / 2) : 0;
      for (const trun of boxes(view, traf.body, traf.end)) {
        if (trun.kind === "trun") parts.push(new Uint8Array(media, ...extentOf(view, trun, moof.start, size)));
      }
    }
  }
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0);
  return joined;
}

/** Position and length of the samples of a run. */
function extentOf(view, trun, base, size) {
  const flags = view.getUint32(trun.body) & 0xffffff;
  const count = view.getUint32(trun.body + 4);
  let at = trun.body + 8;
  const offset = flags & 0x1 ? view.getInt32(at) : 0;
  for (const bit of [0x1, 0x4]) if (flags & bit) at += 4;
  if (!(flags & 0x200)) return [base + offset, count * size];
  const before = flags & 0x100 ? 4 : 0;
  const row = [0x100, 0x200, 0x400, 0x800].filter((bit) => flags & bit).length * 4;
  let length = 0;
  for (let i = 0; i < count; i++) length += view.getUint32(at + i * row + before);
  return [base + offset, length];
}

/** Readers skip free boxes, and the positions of everything else stay as they are. */
function hide(view, box) {
  view.setUint32(box.start + 4, 0x66726565); // "free"
}

/** Seconds, on the fragment's own time line, at which the first sample of `track` is shown. */
export function firstShown(fragment, track) {
  const view = new DataView(fragment);
  for (const moof of boxes(view)) {
    if (moof.kind !== "moof") continue;
    for (const traf of boxes(view, moof.body, moof.end)) {
      if (traf.kind !== "traf") continue;
      const tfhd = find(view, ["tfhd"], traf.body, traf.end);
      const tfdt = find(view, ["tfdt"], traf.body, traf.end);
      const trun = find(view, ["trun"], traf.body, traf.end);
      if (!tfhd || !tfdt || !trun || view.getUint32(tfhd.body + 4) !== track.id) continue;
      const wide = view.getUint8(tfdt.body) === 1;
      const decoded = wide ? Number(view.getBigUint64(tfdt.body + 4)) : view.getUint32(tfdt.body + 4);
      return (decoded + firstOffset(view, trun)) / track.timescale;
    }
  }
  throw new Error("no sample of the track in the fragment");
}

function firstOffset(view, trun) {
  const flags = view.getUint32(trun.body) & 0xffffff;
  if (!(flags & 0x800)) return 0;
  let at = trun.body + 8;
  // Optional fields before the composition offset, 4 bytes each.
  for (const bit of [0x1, 0x4, 0x100, 0x200, 0x400]) if (flags & bit) at += 4;
  return view.getInt32(at);
}
