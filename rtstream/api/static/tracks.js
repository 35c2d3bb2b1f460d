// Decides which tracks of a recording this browser can play, and names those that it cannot.

export const MediaSourceType = self.ManagedMediaSource ?? self.MediaSource;

const VIDEO = /^(avc|hvc1|hev1|dv|av01|vp0|mp4v|jpeg)/i;
const NAMES = [
  [/^(hvc1|hev1|dv)/i, "HEVC (H.265)"],
  [/^avc/i, "H.264"],
  [/^av01/i, "AV1"],
  [/^vp0?9/i, "VP9"],
  [/^mp4v\.6[0-5]/i, "MPEG-2"],
  [/^mp4v\.6A/i, "MPEG-1"],
  [/^(mp4v\.6C|jpeg)/i, "MJPEG"],
  [/^mp4v/i, "MPEG-4 Part 2"],
  [/^mp4a\.40\.33$/i, "MP2"],
  [/^mp4a\.(69|6B|40\.34)/i, "MP3"],
  [/^mp4a/i, "AAC"],
  [/^ac-3/i, "AC-3"],
  [/^ec-3/i, "E-AC-3"],
];

/** A codec's name for people. */
export function nameOf(codec) {
  return NAMES.find(([pattern]) => pattern.test(codec))?.[1] ?? codec;
}

/** The codec to which the engine converts audio. */
export const AAC = "mp4a.40.2";

/** The type of MP3 as it is outside of MP4: browsers play that, and few play it in MP4. */
export const MP3 = "audio/mpeg";

/** The type of a track alone, for a source buffer; null if this browser cannot play it. */
export function typeOf(kind, codec) {
  const types = [`${kind}/mp4; codecs="${codec}"`];
  if (nameOf(codec) === "MP3") types.push(MP3);
  return types.find((type) => MediaSourceType?.isTypeSupported(type)) ?? null;
}

/**
 * The types of the tracks of a fragment, {video, audio}, and the codecs that cannot be played, {lacking: {video, audio}}.
 * If the engine can convert the audio, and this browser cannot play it or `always` is true, the type is the one of AAC,
 * and `converted` the codec that is converted.
 */
export function tracksOf(mime, convertible = false, always = false) {
  const found = { video: null, audio: null, converted: null, lacking: { video: null, audio: null } };
  const codecs = /codecs="([^"]*)"/.exec(mime)?.[1].split(",") ?? [];
  for (const codec of codecs.map((each) => each.trim()).filter(Boolean)) {
    const kind = VIDEO.test(codec) ? "video" : "audio";
    let type = typeOf(kind, codec);
    if (kind === "audio" && convertible && (always || !type)) {
      type = typeOf(kind, AAC);
      if (type) found.converted = codec;
    }
    if (type) found[kind] ??= type;
    else found.lacking[kind] ??= codec;
  }
  return found;
}
