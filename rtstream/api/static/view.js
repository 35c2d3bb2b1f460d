// What the player page shows beside the picture: the time line with its gaps and marks, the clock, the list of moments.

/** "1:02:03.4" of seconds. */
export function durationText(seconds) {
  const tenths = Math.max(0, Math.floor(seconds * 10 + 1e-6));
  const [h, m, s] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, Math.floor(tenths / 10) % 60];
  const rest = `${String(s).padStart(2, "0")}.${tenths % 10}`;
  return h ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`;
}

export function isoText(unix) {
  return new Date(unix * 1000).toISOString();
}

const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const clock = new Intl.DateTimeFormat(undefined, parts);
const fineClock = new Intl.DateTimeFormat(undefined, { ...parts, fractionalSecondDigits: 1 });
const date = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", timeZoneName: "short" });

/** The viewer's local time of day. */
export function clockText(unix) {
  return clock.format(unix * 1000);
}

/** The wall clock of the picture, in the viewer's time zone; UTC in its tool tip. */
export class Clock {
  #element;
  #shown = "";
  constructor(element) {
    this.#element = element;
  }
  show(unix) {
    const iso = isoText(unix);
    if (iso === this.#shown) return;
    this.#shown = this.#element.dateTime = this.#element.title = iso;
    this.#element.textContent = `${fineClock.format(unix * 1000)} · ${date.format(unix * 1000)}`;
  }
}

/** The slider: recorded ranges, gaps, marks, position. `seek` is called with Unix seconds. */
export class Timeline {
  #root;
  #start;
  #end;
  #marks;
  #hint;
  #timeText = clockText;

  constructor(root, { start, end, covered, gaps, marks, clock }, seek) {
    this.#root = root;
    if (clock === false) this.#timeText = (unix) => durationText(unix - start);
    [this.#start, this.#end] = [start, end];
    this.#marks = marks;
    this.#hint = root.querySelector("#hint");
    const track = root.querySelector("#track");
    for (const [from, to] of covered) this.#place(track, "covered", from, to);
    for (const mark of marks) this.#place(root.querySelector("#marks"), `mark ${kindOf(mark)}`, mark.start, mark.end);
    root.setAttribute("aria-valuemin", "0");
    root.setAttribute("aria-valuemax", (end - start).toFixed(1));
    if (gaps.length) root.setAttribute("aria-description", `${gaps.length} gaps without a recording`);
    this.#listen(seek);
  }

  show(now) {
    const share = this.#share(now);
    this.#root.querySelector("#played").style.width = share;
    this.#root.querySelector("#cursor").style.left = share;
    this.#root.setAttribute("aria-valuenow", (now - this.#start).toFixed(1));
    this.#root.setAttribute("aria-valuetext", `${durationText(now - this.#start)}, ${this.#timeText(now)}`);
  }

  #share(unix) {
    const share = (unix - this.#start) / (this.#end - this.#start);
    return `${(Math.min(1, Math.max(0, share)) * 100).toFixed(4)}%`;
  }

  #place(parent, className, from, to) {
    const piece = document.createElement("div");
    piece.className = className;
    piece.style.left = this.#share(from);
    piece.style.width = `${parseFloat(this.#share(to)) - parseFloat(this.#share(from))}%`;
    parent.append(piece);
  }

  #listen(seek) {
    const at = (event) => {
      const box = this.#root.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return this.#start + share * (this.#end - this.#start);
    };
    this.#root.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#root.setPointerCapture(event.pointerId);
      seek(at(event));
    });
    this.#root.addEventListener("pointermove", (event) => {
      if (this.#root.hasPointerCapture(event.pointerId)) seek(at(event));
      this.#showHint(at(event));
    });
    this.#root.addEventListener("pointerleave", () => (this.#hint.hidden = true));
  }

  #showHint(unix) {
    const near = (this.#end - this.#start) / 200;
    const mark = this.#marks.find((m) => unix >= m.start - near && unix <= Math.max(m.end, m.start) + near);
    this.#hint.textContent = this.#timeText(unix) + (mark ? ` · ${mark.label}` : "");
    this.#hint.hidden = false;
    // Over the position, and wholly inside the page.
    const [width, half] = [this.#root.clientWidth, this.#hint.offsetWidth / 2];
    const at = (parseFloat(this.#share(unix)) / 100) * width;
    this.#hint.style.left = `${Math.min(Math.max(at, half), Math.max(half, width - half))}px`;
  }
}

/** The marks as buttons that go there. */
export function listMoments(section, marks, seek) {
  const list = section.querySelector("ol");
  for (const mark of marks) {
    const button = document.createElement("button");
    const time = document.createElement("time");
    const label = document.createElement("span");
    button.type = "button";
    button.className = kindOf(mark);
    time.dateTime = isoText(mark.start);
    time.textContent = clockText(mark.start);
    label.textContent = mark.label; // text from the stream: never markup
    button.append(time, label);
    button.addEventListener("click", () => seek(mark.start));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  section.hidden = !marks.length;
}

function kindOf(mark) {
  return mark.kind === "alert" ? "alert" : "scene";
}
