// The stage: the picture being made or chosen, how far it is, the job's film strip, and the picture's story.
import { el, iconButton, setText } from "./element.js";
import { generated } from "./generate.js";
import { inspect } from "./inspect.js";
import { story } from "./story.js";
import { store } from "./store.js";
import { thumbnail } from "./thumbnail.js";
import { changes, form } from "./values.js";
import { view } from "./viewer.js";

const MOST_WAITING = 24;
const stages = new Map();
export const stageOf = (tab) => stages.get(tab);

/** The seed of the picture on a tab's stage, else that of its newest job. */
export function shownSeed(tab) {
  const stage = stages.get(tab);
  return stage?.picture?.seed ?? stage?.job?.seed ?? null;
}

class Stage extends HTMLElement {
  picked = null; // a picture chosen by hand; null: follow the newest job
  among = [];
  tiles = new Map(); // of the film, by picture

  connectedCallback() {
    if (this.box) return;
    this.tab = this.getAttribute("tab");
    stages.set(this.tab, this);
    this.build();
    store.watch(["jobs"], () => this.draw());
    store.watch(["preview"], () => this.drawPreview());
    store.watch(["progress", "engine"], () => this.drawProgress());
    changes.addEventListener("values", ({ detail }) => detail === this.tab && this.drawShape());
    generated.addEventListener("pressed", ({ detail }) => detail === this.tab && this.follow());
  }

  build() {
    this.preview = el("img", { class: "preview", alt: "", hidden: true });
    this.image = el("img", { class: "picture", alt: "", hidden: true });
    this.blank = el("p", { class: "blank" });
    this.open = el(
      "button",
      { type: "button", class: "frame", onclick: () => this.view(), "aria-label": "Full screen" },
      this.blank,
      this.preview,
      this.image,
    );
    this.box = el("div", { class: "stage-box" }, this.open);
    this.fill = el("i");
    this.doing = el("span", { class: "doing" });
    this.left = el("span", { class: "left" });
    this.look = iconButton("inspect", "See inside while it is painted", () => inspect({ job: this.job }), {
      text: "Inspect",
      class: "button look-inside",
      hidden: true,
    });
    this.bar = el(
      "div",
      { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 },
      this.fill,
    );
    this.film = el("div", {
      class: "film",
      id: `${this.tab}_gallery`,
      role: "group",
      "aria-label": "Pictures of this job",
    });
    this.story = story(this.tab);
    this.append(
      this.box,
      el("div", { class: "progress" }, this.bar, el("p", { class: "progress-words" }, this.doing, el("span", { class: "progress-look" }, this.look, this.left))),
      this.film,
      this.story.element,
    );
  }

  /** The job that the stage shows: the one of a picked picture, else the running one, else the newest with pictures. */
  get job() {
    if (this.picked) return store.jobs.get(this.picked.job) ?? null;
    const own = store.list.filter((job) => job.tab === this.tab);
    return (
      own.find((job) => job.state === "running") ??
      own.find((job) => job.pictures.length || job.state === "failed") ??
      null
    );
  }

  get live() {
    return !this.picked && this.job?.state === "running";
  }

  /** What the running job shows of its picture. */
  get seen() {
    return store.preview?.job === this.job?.id ? store.preview : null;
  }

  /** The finished picture to show; null while a batch is being made. */
  get picture() {
    if (this.picked) return this.picked;
    const job = this.job;
    const beingMade = job?.state === "running" && store.preview?.job === job.id;
    return beingMade ? null : (job?.pictures.at(-1) ?? null);
  }

  pick(picture, among = null) {
    this.picked = picture;
    this.among = among ?? [];
    this.draw();
  }

  follow() {
    this.picked = null;
    this.draw();
  }

  draw() {
    const picture = this.picture;
    this.drawShape();
    this.drawPicture(picture);
    this.drawPreview();
    this.drawFilm();
    this.drawProgress();
    this.story.show(picture, this.live ? this.job : null);
  }

  /** The frame has the shape of what is shown or asked for, so that nothing moves when it arrives. */
  drawShape() {
    const { width, height } = this.picture ?? (this.live ? (this.seen ?? this.job) : form(this.tab).values);
    const ratio = width > 0 && height > 0 ? width / height : 1;
    this.style.setProperty("--ratio", Math.min(8, Math.max(0.125, ratio)).toFixed(4));
  }

  async drawPicture(picture) {
    this.open.disabled = !picture;
    if (!picture) {
      this.image.hidden = true;
      this.image.removeAttribute("src");
      this.shown = null;
      return;
    }
    if (this.shown === picture.id) return;
    this.shown = picture.id;
    const next = el("img", {
      class: "picture",
      src: picture.url,
      alt: picture.prompt || `Picture ${picture.id}`,
      id: `${this.tab}_picture`,
    });
    await next.decode().catch(() => {});
    if (this.shown !== picture.id) return;
    this.image.replaceWith(next);
    this.image = next;
    this.drawPreview();
  }

  drawPreview() {
    const preview = this.live && store.preview?.job === this.job.id ? store.preview : null;
    const waits = preview && this.picture === null;
    if (waits && this.shown) this.draw();
    if (preview && this.preview.src !== preview.image) this.preview.src = preview.image;
    this.preview.hidden = !waits && !(this.picture && this.image.hidden);
    if (!preview && this.picture && !this.image.hidden) this.preview.removeAttribute("src");
    this.drawBlank();
  }

  drawBlank() {
    const job = this.job;
    const empty = !this.picture && (this.preview.hidden || !this.preview.src);
    this.blank.hidden = !empty;
    if (!empty) return;
    const failed = !this.picked && job?.state === "failed";
    if (failed) setText(this.blank, `${job.message} ${job.hint}`.trim());
    else if (this.live) setText(this.blank, "");
    else if (this.tab === "extras") setText(this.blank, "Choose pictures and an upscaler, and press Generate.");
    else setText(this.blank, "Describe a picture and press Generate.");
    this.blank.classList.toggle("blank-failed", Boolean(failed));
  }

  drawFilm() {
    const job = this.job;
    const pictures = job?.pictures ?? (this.picked ? [this.picked] : []);
    const known = this.tiles;
    this.tiles = new Map();
    const tiles = pictures.map((picture) => {
      const tile = known.get(picture.id) ?? thumbnail(picture, () => this.pick(picture));
      this.tiles.set(picture.id, tile);
      tile.setAttribute("aria-current", String(this.picture?.id === picture.id));
      return tile;
    });
    if (job?.state === "running") {
      const live = { type: "button", class: "thumb thumb-live", "aria-label": "The picture being made" };
      const current = String(this.live && !this.picture);
      if (job.total > pictures.length)
        tiles.push(el("button", { ...live, "aria-current": current, onclick: () => this.follow() }));
      const waiting = Math.min(job.total - pictures.length - 1, MOST_WAITING);
      for (let i = 0; i < waiting; i += 1) tiles.push(el("i", { class: "thumb thumb-waiting", "aria-hidden": "true" }));
    }
    this.film.replaceChildren(...tiles);
    this.film.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  drawProgress() {
    const job = this.job;
    const progress = store.progress?.job === job?.id ? store.progress : null;
    const running = job?.state === "running";
    const percent = progress ? Math.floor(progress.fraction * 100) : 0;
    this.classList.toggle("working", running);
    this.look.hidden = !running || this.tab === "extras";
    this.fill.style.setProperty("--fraction", running ? (progress?.fraction ?? 0) : 0);
    if (running) this.bar.setAttribute("aria-valuenow", percent);
    else this.bar.removeAttribute("aria-valuenow");
    setText(this.doing, running ? doing(job, progress) : summary(job, this.picture));
    setText(
      this.left,
      running
        ? [`${percent}%`, percent < 100 && progress && left(progress.seconds_left)].filter(Boolean).join(" · ")
        : "",
    );
  }

  view() {
    const pictures = this.among.length ? this.among : (this.job?.pictures ?? []);
    const picture = this.picture;
    if (picture)
      view(pictures.some((one) => one.id === picture.id) ? pictures : [picture], picture, (chosen) =>
        this.pick(chosen, this.among),
      );
  }
}

customElements.define("easel-stage", Stage);

function doing(job, progress) {
  if (store.stopping === job.id) return "Stopping…";
  if (store.engine.state === "loading") return `Loading ${store.engine.model}…`;
  if (!progress) return store.engine.state === "starting" ? "The engine is starting…" : "Preparing…";
  const { first, last, pictures } = progress;
  if (progress.fraction >= 1) return "Finishing…";
  const which =
    last > first ? `pictures ${first + 1} to ${last + 1} of ${pictures}` : `picture ${first + 1} of ${pictures}`;
  const what = job.tab === "extras" ? "Tile" : "Step";
  return `${what} ${progress.step} of ${progress.steps}${pictures > 1 ? ` · ${which}` : ""}`;
}

function left(seconds) {
  if (seconds == null) return "";
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s left`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${String(whole % 60).padStart(2, "0")} left`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

function summary(job, picture) {
  const waiting = store.waiting.length && !store.running && store.engine.state !== "ready";
  if (waiting) return store.engine.state === "failed" ? "" : "Starts when the engine is ready.";
  if (!picture) return "";
  const seconds = job?.finished && job.started ? job.finished - job.started : null;
  const state = { stopped: "Stopped", interrupted: "Interrupted", failed: "Failed" }[job?.state];
  return [state, `${picture.width} × ${picture.height}`, picture.seed >= 0 && `seed ${picture.seed}`, seconds && `${seconds.toFixed(1)} s`]
    .filter(Boolean)
    .join(" · ");
}
