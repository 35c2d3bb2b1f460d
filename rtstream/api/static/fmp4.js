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
    yield { kind, body: start + head, end: start + size };
    start += size;
  }
}

function find(view, path, start = 0, end = view.byteLength) {
  for (const box of boxes(view, start, end)) {
    if (box.kind === path[0]) return path.length === 1 ? box : find(view, path.slice(1), box.body, box.end);
  }
  return null;
}

/** The track that sets the time, {id, timescale}, of an initialisation segment: its video, else its first track. */
export function leadTrack(init) {
  const view = new DataView(init);
  const moov = find(view, ["moov"]);
  if (!moov) throw new Error("no moov box in the initialisation segment");
  const tracks = [];
  for (const trak of boxes(view, moov.body, moov.end)) {
    if (trak.kind !== "trak") continue;
    const tkhd = find(view, ["tkhd"], trak.body, trak.end);
    const mdhd = find(view, ["mdia", "mdhd"], trak.body, trak.end);
    const hdlr = find(view, ["mdia", "hdlr"], trak.body, trak.end);
    if (!tkhd || !mdhd || !hdlr) continue;
    const wide = (box) => (view.getUint8(box.body) ? 20 : 12);
    tracks.push({
      id: view.getUint32(tkhd.body + wide(tkhd)),
      timescale: view.getUint32(mdhd.body + wide(mdhd)),
      video: view.getUint32(hdlr.body + 8) === 0x76696465, // "vide"
    });
  }
  if (!tracks.length) throw new Error("no track in the initialisation segment");
  return tracks.find((track) => track.video) ?? tracks[0];
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
