// The player page: plays exactly one recorded window, with its wall-clock time, gaps and marks.

import { Feeder } from "./feeder.js";
import { MediaSourceType, nameOf, tracksOf } from "./tracks.js";
import { Clock, Timeline, clockText, durationText, isoText, listMoments } from "./view.js";

const TICK_MS = 100;
const HOLE_S = 0.25; // shorter holes are skipped without a word
const SHORT_S = 0.5; // shorter holes in a track are skipped at once
const STUCK_TICKS = 30;

const $ = (id) => document.getElementById(id);
const page = $("player");
const video = $("video");

/** Unix time and media time of what plays through Media Source Extensions. */
class FedPlayback {
  constructor(data, fail, mute, audio = "stored") {
    const told = { fail: (text) => fail(this, text), mute };
    this.feeder = new Feeder(video, data.fragments, data.start, data.end, told, audio);
  }
  get convertible() {
    return this.feeder.convertible;
  }
  get canLeaveAudioOut() {
    return this.feeder.hasBoth;
  }
  open() {
    return this.feeder.open();
  }
  toUnix(media) {
    return media + this.feeder.origin;
  }
  toMedia(unix) {
    return unix - this.feeder.origin;
  }
  next(unix) {
    return this.feeder.at(unix)?.start;
  }
  tick() {
    this.feeder.pump();
  }
  loaded(unix) {
    return this.feeder.has(unix);
  }
  reload(unix) {
    this.feeder.reload(unix);
  }
}

/** The same for the browser's own HLS player: fragments follow each other without holes. */
class NativePlayback {
  #fragments;
  #url;
  constructor(data) {
    this.#fragments = [];
    this.#url = data.stream_url;
    let at = 0;
    for (const fragment of data.fragments) {
      this.#fragments.push({ ...fragment, at });
      at += fragment.duration;
    }
  }
  open() {
    video.src = this.#url;
    return new Promise((resolve, reject) => {
      video.addEventListener("loadedmetadata", resolve, { once: true });
      video.addEventListener("error", () => reject(new Error("This browser cannot play the recording.")), { once: true });
    });
  }
  toUnix(media) {
    const fragment = this.#fragments.findLast((f) => f.at <= media) ?? this.#fragments[0];
    return fragment.start + media - fragment.at;
  }
  toMedia(unix) {
    const fragment = this.#fragments.find((f) => f.start + f.duration > unix) ?? this.#fragments.at(-1);
    return fragment.at + Math.min(Math.max(0, unix - fragment.start), fragment.duration);
  }
  next(unix) {
    return this.#fragments.find((f) => f.start + f.duration > unix)?.start;
  }
  tick() {}
  loaded() {
    return false;
  }
  get canLeaveAudioOut() {
    return false;
  }
}

class Player {
  #data;
  #playback;
  #timeline;
  #clock = new Clock($("clock"));
  #lastMoment;
  #stuck = 0;
  #noticeTimer;

  constructor(data) {
    this.#data = data;
    this.#lastMoment = data.covered.at(-1)?.[1] ?? data.end;
    if (MediaSourceType && !Feeder.plays(data.fragments)) throw new Error(unplayable(data));
    this.#playback = MediaSourceType ? new FedPlayback(data, this.#failed, this.#muted) : new NativePlayback(data);
    this.#timeline = new Timeline($("timeline"), data, (unix) => this.seek(unix));
  }

  async open() {
    describe(this.#data);
    listMoments($("moments"), this.#data.marks, (unix) => this.seek(unix));
    this.#listen();
    await this.#playback.open();
    this.seek(this.#data.start);
    if (MediaSourceType) this.#say(limits(this.#data));
    setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
    page.dataset.state = "ready";
    if (!document.documentElement.classList.contains("embedded")) this.play();
  }

  now() {
    return Math.min(Math.max(this.#playback.toUnix(video.currentTime), this.#data.start), this.#data.end);
  }

  /** Go to a Unix time; in a gap, to where the recording goes on. */
  seek(unix) {
    const { start, end } = this.#data;
    const wanted = Math.min(Math.max(unix, start), end);
    const next = this.#playback.next(wanted);
    video.currentTime = this.#playback.toMedia(next === undefined || next >= end ? wanted : Math.max(wanted, next));
    this.#stuck = 0;
    clearFailure();
    this.#show();
  }

  #muted = (codec) => this.#say(`This browser cannot play ${nameOf(codec)} audio, and parts could not be converted, so they are silent.`);

  /** With converted audio, then without audio, if it may be the reason; some codecs have the same name as another one. */
  #failed = async (playback, text) => {
    if (playback !== this.#playback) return; // replaced already
    if (!playback.canLeaveAudioOut) return showFailure(text);
    const now = this.now();
    const playing = !video.paused || page.dataset.state === "playing";
    const audio = playback.convertible ? "aac" : "none";
    this.#playback = new FedPlayback(this.#data, this.#failed, this.#muted, audio);
    try {
      await this.#playback.open();
    } catch (error) {
      return showFailure(error.message);
    }
    this.seek(now);
    if (playing) video.play().catch(() => {});
    if (audio === "none") this.#say("This browser cannot play the audio, so the recording is silent.");
  };

  /** Show what cannot be played for as long as the page is open, and over the picture for a moment. */
  #say(text) {
    if (!text || $("limits").textContent === text) return;
    $("limits").textContent = text;
    $("limits").hidden = false;
    this.#notify(text);
  }

  play() {
    if (this.#atEnd()) this.seek(this.#data.start);
    // Browsers may refuse to start with sound before the user did something: the button stays.
    video.play().catch(() => {});
  }

  toggle() {
    if (video.paused) this.play();
    else video.pause();
  }

  /** Nothing is recorded from here to the end of the window. */
  #atEnd() {
    return video.ended || this.now() >= this.#lastMoment - 0.05;
  }

  #tick() {
    if (page.dataset.state === "failed") return;
    this.#playback.tick();
    if (!video.paused && !video.seeking && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) this.#pass();
    else this.#stuck = 0;
    page.toggleAttribute("data-waiting", page.dataset.state === "playing" && (video.seeking || video.readyState < 3));
    this.#show();
  }

  /** The picture stands still: at a hole, go on behind it; elsewhere wait, then load again. */
  #pass() {
    const now = this.#playback.toUnix(video.currentTime);
    const next = this.#playback.next(now + 0.05);
    if (next === undefined || next >= this.#data.end) {
      if (this.#atEnd()) video.pause();
    } else if (next > now) {
      const [from] = this.#data.gaps.find(([, to]) => Math.abs(to - next) < HOLE_S) ?? [now];
      if (next - from >= HOLE_S) this.#notify(`No recording from ${clockText(from)} to ${clockText(next)}`);
      video.currentTime = this.#playback.toMedia(next) + 0.001;
    } else if (this.#playback.loaded(now)) {
      const [start] = rangesOf(video.buffered).find(([from]) => from > video.currentTime) ?? [Infinity];
      if (start - video.currentTime < SHORT_S) {
        video.currentTime = start + 0.001; // a track begins a little later
        return;
      }
      // Everything is there and yet nothing moves: the browser dropped it, or cannot decode it.
      this.#stuck++;
      if (this.#stuck === STUCK_TICKS) this.#playback.reload(now);
      if (this.#stuck === 3 * STUCK_TICKS) video.currentTime += 1;
    }
  }

  #watchEnd() {
    if (!video.paused && !this.#stopAtEnd()) requestAnimationFrame(() => this.#watchEnd());
  }

  /** Stop when the window is over, on its last picture. */
  #stopAtEnd() {
    if (video.paused || this.#playback.toUnix(video.currentTime) < this.#data.end) return false;
    video.pause();
    video.currentTime = this.#playback.toMedia(this.#data.end) - 0.001;
    return true;
  }

  #show() {
    const now = this.now();
    this.#timeline.show(now);
    this.#clock.show(now);
    $("elapsed").textContent = durationText(now - this.#data.start);
  }

  #notify(text) {
    $("notice").textContent = text;
    $("notice").hidden = false;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => ($("notice").hidden = true), 4000);
  }

  #listen() {
    video.addEventListener("play", () => {
      setState("playing");
      this.#watchEnd();
    });
    video.addEventListener("pause", () => setState(this.#atEnd() ? "ended" : "paused"));
    video.addEventListener("ended", () => setState("ended"));
    video.addEventListener("timeupdate", () => this.#stopAtEnd()); // also in a tab that is not painted
    video.addEventListener("error", () => {
      // It is told later, when another playback may have begun.
      if (video.error) this.#failed(this.#playback, "This browser cannot play the recording.");
    });
    video.addEventListener("volumechange", () => page.toggleAttribute("data-muted", video.muted));
    video.addEventListener("click", () => this.toggle());
    $("start").addEventListener("click", () => this.play());
    $("play").addEventListener("click", () => this.toggle());
    $("mute").addEventListener("click", () => (video.muted = !video.muted));
    $("fullscreen").addEventListener("click", toggleFullscreen);
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("button, a") && [" ", "Enter"].includes(event.key)) return;
    const step = event.shiftKey ? 1 : 5;
    const actions = {
      " ": () => this.toggle(),
      k: () => this.toggle(),
      ArrowLeft: () => this.seek(this.now() - step),
      ArrowRight: () => this.seek(this.now() + step),
      PageDown: () => this.seek(this.now() - 30),
      PageUp: () => this.seek(this.now() + 30),
      Home: () => this.seek(this.#data.start),
      End: () => this.seek(this.#data.end),
      m: () => (video.muted = !video.muted),
      f: toggleFullscreen,
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

function describe(data) {
  $("title").textContent = document.title = data.title || "Recording";
  $("description").textContent = data.description ?? "";
  $("description").hidden = !data.description;
  $("length").textContent = durationText(data.end - data.start);
  $("clock").dateTime = isoText(data.start);
  $("clock").hidden = data.clock === false; // parts of several videos have no common clock
  if (data.download_url) {
    $("download").href = data.download_url;
    $("download").hidden = false;
  }
}

/** The sentence for a recording of which this browser can play nothing. */
function unplayable(data) {
  const [first] = data.fragments.map((f) => tracksOf(f.mime, Boolean(f.aac_url)).lacking).filter((l) => l.video || l.audio);
  const name = first ? `${nameOf(first.video ?? first.audio)} ${first.video ? "video" : "audio"}` : "the recording";
  const advice = data.download_url ? "Open this page in another browser, or download it." : "Open this page in another one.";
  return `This browser cannot play ${name}. ${advice}`;
}

/** The sentence for tracks that this browser leaves out; empty if it plays all of them. */
function limits(data) {
  const lacking = { video: new Set(), audio: new Set() };
  const mimes = new Map(data.fragments.map((fragment) => [fragment.mime, Boolean(fragment.aac_url)]));
  for (const [mime, convertible] of mimes) {
    const own = tracksOf(mime, convertible).lacking;
    for (const [kind, codec] of Object.entries(own)) if (codec) lacking[kind].add(nameOf(codec));
  }
  const names = (kind) => [...lacking[kind]].join(" and ");
  const parts = [];
  if (lacking.video.size) parts.push(`This browser cannot play ${names("video")} video, so parts are left out.`);
  if (lacking.audio.size) parts.push(`This browser cannot play ${names("audio")} audio, so it is silent.`);
  return parts.join(" ");
}

function rangesOf(ranges) {
  return Array.from({ length: ranges.length }, (_, i) => [ranges.start(i), ranges.end(i)]);
}

function setState(state) {
  if (page.dataset.state !== "failed") page.dataset.state = state;
}

function showFailure(text) {
  page.dataset.state = "failed";
  $("failure").textContent = text;
  $("failure").hidden = false;
}

function clearFailure() {
  if (page.dataset.state === "failed") page.dataset.state = video.paused ? "paused" : "playing";
  $("failure").hidden = true;
}

function toggleFullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else page.requestFullscreen?.().catch(() => {});
}

async function load() {
  const token = new URLSearchParams(location.search).get("v") ?? "";
  const answer = await fetch(`playback.json?v=${encodeURIComponent(token)}`);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.message ?? "This recording cannot be played.");
  const data = body.data ?? body;
  if (!data.fragments?.length) throw new Error("Nothing is recorded in this window.");
  return { ...data, covered: data.covered ?? [], gaps: data.gaps ?? [], marks: data.marks ?? [] };
}

if (location.pathname.replace(/\/$/, "").endsWith("/embed")) document.documentElement.classList.add("embedded");
load()
  .then((data) => new Player(data).open())
  .catch((error) => showFailure(error.message));
