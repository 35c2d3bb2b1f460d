// Feeds a <video> with recorded fragments through Media Source Extensions: fetches what is near the position, places it at
// its wall-clock time, drops what is far. Media time is Unix time minus `origin`; holes between fragments stay holes.

import { firstShown, leadTrack } from "./fmp4.js";

const AHEAD_S = 30;
const BEHIND_S = 30;
const RETRIES = 3;

export const MediaSourceType = self.ManagedMediaSource ?? self.MediaSource;

export class Feeder {
  #video;
  #fragments;
  #end;
  #fail;
  #source;
  #buffer;
  #loaded = new Set();
  #inits = new Map(); // recording id -> {bytes, track}
  #offsets = new Map(); // recording id -> seconds from its own time line to ours
  #recording = null; // whose initialisation segment was appended last
  #mime;
  #busy = false;
  #fetching = null; // {fragment, abort}

  /** `fragments` are sorted; `end` is the Unix time after which nothing is needed; `fail` is told what cannot be mended. */
  constructor(video, fragments, start, end, fail) {
    this.#video = video;
    this.#fragments = fragments;
    this.#end = end;
    this.#fail = fail;
    // One second of room: the first picture, and sound a little before it, must not fall before zero.
    this.origin = Math.min(start, fragments[0].start) - 1;
    this.#mime = fragments[0].mime;
  }

  static plays(fragments) {
    return Boolean(MediaSourceType) && fragments.every((f) => MediaSourceType.isTypeSupported(f.mime));
  }

  async open() {
    this.#source = new MediaSourceType();
    const opened = new Promise((resolve) => this.#source.addEventListener("sourceopen", resolve, { once: true }));
    this.#video.disableRemotePlayback = true; // a condition of ManagedMediaSource
    this.#video.src = URL.createObjectURL(this.#source);
    await opened;
    URL.revokeObjectURL(this.#video.src);
    this.#buffer = this.#source.addSourceBuffer(this.#mime);
    // A second past the end: pictures before it may be coded as the difference to one after it. The page stops in time.
    this.#source.duration = this.#buffer.appendWindowEnd = this.#end - this.origin + 1;
    this.#video.addEventListener("seeking", () => this.#dropFetchOutOfReach());
  }

  /** The fragment at Unix time `at`, else the next one; undefined after the last. */
  at(at) {
    return this.#fragments[this.#indexAt(at)];
  }

  /** Bring the buffer up to date with the position. Call often; it does nothing while it is at work. */
  async pump() {
    if (this.#busy || !this.#buffer) return;
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
      const init = await this.#init(fragment, abort.signal);
      const bytes = await this.#media(fragment, abort.signal);
      await this.#append(fragment, init, bytes);
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

  async #init(fragment, signal) {
    let init = this.#inits.get(fragment.recording_id);
    if (!init) {
      const bytes = await fetchBytes(fragment.init_url, {}, signal);
      init = { bytes, track: leadTrack(bytes) };
      this.#inits.set(fragment.recording_id, init);
    }
    return init;
  }

  async #append(fragment, init, bytes) {
    const recording = fragment.recording_id;
    if (!this.#offsets.has(recording)) {
      this.#offsets.set(recording, fragment.start - this.origin - firstShown(bytes, init.track));
    }
    if (recording !== this.#recording) {
      if (fragment.mime !== this.#mime) this.#buffer.changeType((this.#mime = fragment.mime));
      await this.#write(init.bytes);
      this.#recording = recording;
    }
    this.#buffer.timestampOffset = this.#offsets.get(recording);
    try {
      await this.#write(bytes);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      await this.#evict(2);
      await this.#write(bytes);
    }
  }

  async #write(bytes) {
    const done = this.#updated();
    this.#buffer.appendBuffer(bytes);
    await done;
  }

  #updated() {
    return new Promise((resolve, reject) => {
      const settle = (event) => {
        this.#buffer.removeEventListener("updateend", settle);
        this.#buffer.removeEventListener("error", settle);
        if (event.type === "error") reject(new Error("This part of the recording cannot be decoded by this browser."));
        else resolve();
      };
      this.#buffer.addEventListener("updateend", settle);
      this.#buffer.addEventListener("error", settle);
    });
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
    const done = this.#updated();
    this.#buffer.remove(from, to);
    await done;
  }
}

async function fetchBytes(url, headers, signal) {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await fetch(url, { headers, signal });
      if (answer.ok) return await answer.arrayBuffer();
      const later = answer.status >= 500 || answer.status === 429; // 429: the link is used too much at the moment
      if (!later || attempt === RETRIES) throw await refusal(answer);
    } catch (error) {
      if (error.name === "AbortError" || error.refused || attempt === RETRIES) throw error;
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
