// Feeds a <video> with recorded fragments through Media Source Extensions: fetches what is near the position, places it at
// its wall-clock time, drops what is far. Media time is Unix time minus `origin`; holes between fragments stay holes.
// Video and audio have a buffer each, so that a track that is missing or cannot be played takes nothing else with it.

import { firstShown, initOfTrack, mediaOfTrack, samplesOf, tracks } from "./fmp4.js";
import { AAC, MP3, MediaSourceType, tracksOf, typeOf } from "./tracks.js";

const AHEAD_S = 30;
const BEHIND_S = 30;
const RETRIES = 3;

const HOLE_S = 0.25; // of audio, in a fragment
const SILENCE_S = (47 * 1024) / 48000;
const SILENCE = { url: "static/silence.mp4", codec: AAC };
const AUDIO_WAIT_MS = 5000; // the engine refuses after 3 s

export class Feeder {
  #video;
  #fragments;
  #end;
  #fail;
  #mute;
  #source;
  #buffers = {}; // "video" and "audio", as far as there are such tracks
  #current = {}; // by kind: {recording, type} of the initialisation segment that was appended last
  #loaded = new Set();
  #inits = new Map(); // recording id -> {bytes, tracks, lead}
  #offsets = new Map(); // recording id -> seconds from its own time line to ours
  #silence = null;
  #busy = false;
  #fetching = null; // {fragment, abort}

  /**
   * `fragments` are sorted; `end` is the Unix time after which nothing is needed; `fail` is told what cannot be mended,
   * and `mute` the codec of audio that the engine cannot convert. `audio` is "stored", "aac" for audio that the engine
   * converts wherever it can, or "none".
   */
  constructor(video, fragments, start, end, { fail, mute }, audio = "stored") {
    this.#video = video;
    this.#fragments = playable(fragments, audio);
    this.#end = end;
    this.#fail = fail;
    this.#mute = mute;
    // One second of room: the first picture, and sound a little before it, must not fall before zero.
    this.origin = Math.min(start, this.#fragments[0].start) - 1;
  }

  static plays(fragments) {
    return Boolean(MediaSourceType) && playable(fragments).length > 0;
  }

  /** Whether there is a track that could be left out. */
  get hasBoth() {
    return this.#fragments.some((f) => f.audio) && this.#fragments.some((f) => f.video);
  }

  /** Whether the engine could convert audio that is played as it is stored. */
  get convertible() {
    return this.#fragments.some((f) => f.aac_url && !f.converted);
  }

  async open() {
    this.#source = new MediaSourceType();
    const opened = new Promise((resolve) => this.#source.addEventListener("sourceopen", resolve, { once: true }));
    this.#video.disableRemotePlayback = true; // a condition of ManagedMediaSource
    this.#video.src = URL.createObjectURL(this.#source);
    await opened;
    URL.revokeObjectURL(this.#video.src);
    for (const kind of ["video", "audio"]) {
      const type = this.#fragments.find((f) => f[kind])?.[kind];
      if (!type) continue;
      this.#buffers[kind] = this.#source.addSourceBuffer(type);
      this.#current[kind] = { recording: null, type };
    }
    this.#source.duration = this.#last;
    for (const buffer of Object.values(this.#buffers)) buffer.appendWindowEnd = this.#last;
    this.#video.addEventListener("seeking", () => this.#dropFetchOutOfReach());
  }

  /** A second past the end: pictures before it may be coded as the difference to one after it. The page stops in time. */
  get #last() {
    return this.#end - this.origin + 1;
  }

  /** The fragment at Unix time `at`, else the next one; undefined after the last. */
  at(at) {
    return this.#fragments[this.#indexAt(at)];
  }

  /** Bring the buffer up to date with the position. Call often; it does nothing while it is at work. */
  async pump() {
    if (this.#busy || !this.#source || this.#source.readyState === "closed") return;
    this.#busy = true;
    try {
      for (let fragment = this.#wanted(); fragment; fragment = this.#wanted()) {
        await this.#evict();
        await this.#load(fragment);
      }
      if (this.#loaded.has(this.#fragments.at(-1)) && this.#source.readyState === "open") this.#source.endOfStream();
    } catch (error) {
      this.#fail(error.message);
    } finally {
      this.#busy = false;
    }
  }

  /** Whether the fragment at Unix time `at` was appended. */
  has(at) {
    return this.#loaded.has(this.at(at));
  }

  /** Forget that the fragment at Unix time `at` is there: the browser may have dropped it. */
  reload(at) {
    this.#loaded.delete(this.at(at));
  }

  #now() {
    return this.#video.currentTime + this.origin;
  }

  #indexAt(at) {
    let low = 0;
    let high = this.#fragments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { start, duration } = this.#fragments[middle];
      if (start + duration <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #wanted() {
    const now = this.#now();
    for (let i = this.#indexAt(now); i < this.#fragments.length; i++) {
      const fragment = this.#fragments[i];
      if (fragment.start > now + AHEAD_S) return null;
      if (!this.#loaded.has(fragment)) return fragment;
    }
    return null;
  }

  #dropFetchOutOfReach() {
    if (!this.#fetching) return;
    const { fragment, abort } = this.#fetching;
    const now = this.#now();
    if (fragment.start + fragment.duration < now || fragment.start > now + AHEAD_S) abort.abort();
  }

  async #load(fragment) {
    const abort = new AbortController();
    this.#fetching = { fragment, abort };
    try {
      const audio = this.#convertedAudio(fragment, abort.signal);
      const init = await this.#init(fragment.recording_id, fragment.init_url, abort.signal);
      const bytes = await this.#media(fragment, abort.signal);
      await this.#append(fragment, init, bytes, audio);
      this.#loaded.add(fragment);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.gone && this.#fragments.length > 1) {
        // No longer kept: a hole from now on.
        this.#fragments.splice(this.#fragments.indexOf(fragment), 1);
        return;
      }
      throw error;
    } finally {
      this.#fetching = null;
    }
  }

  /** The bytes of a fragment: a file of its own, or a range of one. */
  async #media({ url, offset, length }, signal) {
    if (!length) return fetchBytes(url, {}, signal);
    const bytes = await fetchBytes(url, { Range: `bytes=${offset}-${offset + length - 1}` }, signal);
    return bytes.byteLength > length ? bytes.slice(offset, offset + length) : bytes;
  }

  async #init(id, url, signal) {
    let init = this.#inits.get(id);
    if (!init) {
      const bytes = await fetchBytes(url, {}, signal);
      const found = tracks(bytes);
      init = { bytes, tracks: found, lead: found.find((track) => track.kind === "video") ?? found[0] };
      this.#inits.set(id, init);
    }
    return init;
  }

  /** The audio of a fragment as the engine converts it, {init, bytes}; null without any, or if it cannot be converted. */
  async #convertedAudio(fragment, signal) {
    if (!fragment.converted) return null;
    const either = AbortSignal.any([signal, AbortSignal.timeout(AUDIO_WAIT_MS)]);
    try {
      const init = await this.#init(aacOf(fragment), fragment.aac_init_url, either);
      return { init, bytes: await fetchBytes(fragment.aac_url, {}, either, 0) };
    } catch (error) {
      if (!signal.aborted) this.#mute(fragment.converted);
      return null;
    }
  }

  async #append(fragment, init, bytes, converted) {
    const recording = fragment.recording_id;
    if (!this.#offsets.has(recording)) {
      this.#offsets.set(recording, fragment.start - this.origin - firstShown(bytes, init.lead));
    }
    const offset = this.#offsets.get(recording);
    for (const [kind, buffer] of Object.entries(this.#buffers)) {
      const type = fragment[kind];
      const own = kind === "audio" && fragment.converted ? await converted : { init, bytes };
      const track = type && own?.init.tracks.find((each) => each.kind === kind);
      const media = track && mediaOfTrack(own.bytes, track.id);
      if (!media) continue;
      if (type === MP3) {
        await this.#begin(kind, recording, type, null);
        buffer.timestampOffset = offset + firstShown(bytes, track);
        await this.#write(buffer, samplesOf(bytes, track.id));
      } else {
        const id = own.init === init ? recording : aacOf(fragment);
        await this.#begin(kind, id, type, () => initOfTrack(own.init.bytes, track.id));
        buffer.timestampOffset = offset;
        await this.#write(buffer, media);
      }
    }
    if (this.#buffers.audio && (this.#buffers.video || fragment.converted)) await this.#fill(fragment);
  }

  /** Append the initialisation segment of a recording if another one was appended last. */
  async #begin(kind, recording, type, init) {
    const current = this.#current[kind];
    if (current.recording === recording) return;
    const buffer = this.#buffers[kind];
    if (current.type !== type) buffer.changeType(type);
    if (init) buffer.mode = "segments"; // of MP3, the browser counts the times
    this.#current[kind] = { recording: null, type };
    if (init) await this.#write(buffer, init());
    this.#current[kind].recording = recording;
  }

  /** Put silence where a fragment has no audio: the browser would wait for it. */
  async #fill(fragment) {
    const begin = fragment.start - this.origin;
    const holes = holesOf(this.#buffers.audio.buffered, begin, Math.min(begin + fragment.duration, this.#last));
    const type = typeOf("audio", SILENCE.codec);
    if (!holes.length || !type) return;
    this.#silence ??= await fetchBytes(SILENCE.url, {});
    const buffer = this.#buffers.audio;
    await this.#begin("audio", SILENCE, type, () => this.#silence);
    for (const [from, to] of holes) {
      // A packet more, because the last one is left out if it does not fit. Audio that follows replaces it.
      buffer.appendWindowEnd = Math.min(to + SILENCE_S / 47, this.#last);
      buffer.appendWindowStart = from;
      for (let at = from; at < to; at += SILENCE_S) {
        buffer.timestampOffset = at;
        await this.#write(buffer, this.#silence);
      }
      buffer.appendWindowStart = 0;
      buffer.appendWindowEnd = this.#last;
    }
  }

  async #write(buffer, bytes) {
    try {
      await change(buffer, () => buffer.appendBuffer(bytes));
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      await this.#evict(2);
      await change(buffer, () => buffer.appendBuffer(bytes));
    }
  }

  /** Remove whole fragments that are more than `behind` seconds past, or far ahead. */
  async #evict(behind = BEHIND_S) {
    const now = this.#now();
    const oldest = this.at(now - behind);
    const keepFrom = Math.min(oldest ? oldest.start : now - behind, now);
    const keepTo = now + 2 * AHEAD_S;
    const dropped = [...this.#loaded].filter((f) => f.start + f.duration <= keepFrom || f.start > keepTo);
    if (!dropped.length) return;
    for (const fragment of dropped) this.#loaded.delete(fragment);
    await this.#remove(0, keepFrom - this.origin);
    const far = dropped.filter((f) => f.start > keepTo).map((f) => f.start);
    if (far.length) await this.#remove(Math.min(...far) - this.origin, Infinity);
  }

  async #remove(from, to) {
    if (to <= from) return;
    for (const buffer of Object.values(this.#buffers)) await change(buffer, () => buffer.remove(from, to));
  }
}

/** The fragments that can be played, with the types of their tracks. Where there are pictures, those without are holes. */
function playable(fragments, audio) {
  const types = new Map();
  const found = fragments.map((fragment) => {
    const key = `${fragment.mime} ${Boolean(fragment.aac_url)}`;
    if (!types.has(key)) types.set(key, tracksOf(fragment.mime, Boolean(fragment.aac_url), audio === "aac"));
    return { ...fragment, ...types.get(key), ...(audio === "none" && { audio: null, converted: null }) };
  });
  const pictures = found.some((f) => f.video || f.lacking.video);
  return found.filter((f) => (pictures ? f.video : f.audio));
}

/** The name under which the initialisation segment of converted audio is known. */
function aacOf(fragment) {
  return `${fragment.recording_id} as AAC`;
}

/** The parts of [from, to] of at least HOLE_S that are not in `ranges`. */
function holesOf(ranges, from, to) {
  const holes = [];
  let at = from;
  for (let i = 0; i < ranges.length && at < to; i++) {
    if (ranges.end(i) <= at) continue;
    if (ranges.start(i) - at >= HOLE_S) holes.push([at, Math.min(ranges.start(i), to)]);
    at = ranges.end(i);
  }
  if (to - at >= HOLE_S) holes.push([at, to]);
  return holes;
}

/** Start an operation of a source buffer, and wait until it has finished. */
function change(buffer, start) {
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const settle = (action, value) => {
      done.abort();
      action(value);
    };
    const failed = () => new Error("This part of the recording cannot be decoded by this browser.");
    buffer.addEventListener("updateend", () => settle(resolve), { signal: done.signal });
    buffer.addEventListener("error", () => settle(reject, failed()), { signal: done.signal });
    try {
      start();
    } catch (error) {
      settle(reject, error);
    }
  });
}

async function fetchBytes(url, headers, signal, retries = RETRIES) {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await fetch(url, { headers, signal });
      if (answer.ok) return await answer.arrayBuffer();
      const later = answer.status >= 500 || answer.status === 429; // 429: the link is used too much at the moment
      if (!later || attempt === retries) throw await refusal(answer);
    } catch (error) {
      if (error.name === "AbortError" || error.refused || attempt === retries) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** attempt));
  }
}

async function refusal(answer) {
  const body = await answer.json().catch(() => ({}));
  const error = new Error(body.message ?? `The recording could not be loaded (HTTP ${answer.status}).`);
  error.refused = true;
  error.gone = answer.status === 404;
  return error;
}
