// What the page knows of the server, kept current by its events. Elements watch it and draw themselves.
import { ask, listen } from "./server.js";

const MOST_RECENT = 90;
const MOST_JOBS = 300;
const OVER = ["finished", "stopped", "failed", "interrupted", "cancelled"];

class Store extends EventTarget {
  connected = null;
  engine = { state: "starting", model: "", message: "", hint: "" };
  jobs = new Map();
  progress = null;
  preview = null;
  recent = [];
  indexing = null; // how far the reading of a folder is
  downloads = new Map(); // models on their way, by id
  stopping = null; // the job that somebody here asked to end

  /** Calls `draw` now and whenever one of `kinds` changed: connection, engine, jobs, progress, preview, recent,
   *  library (other pictures, stars or folders), indexing, downloads. */
  watch(kinds, draw) {
    for (const kind of kinds) this.addEventListener(kind, draw);
    draw();
  }

  /** Jobs, the newest first. */
  get list() {
    return [...this.jobs.values()].sort((a, b) => b.created - a.created);
  }

  get running() {
    return this.list.find((job) => job.state === "running") ?? null;
  }

  get waiting() {
    return this.list.filter((job) => job.state === "waiting").reverse();
  }

  start() {
    listen(
      (kind, data) => this[`on_${kind}`](data),
      (connected) => {
        if (this.connected === connected) return;
        this.connected = connected;
        this.tell("connection");
      },
      () => !this.running && !this.waiting.length,
    );
  }

  tell(...kinds) {
    for (const kind of kinds) this.dispatchEvent(new Event(kind));
  }

  on_snapshot(snapshot) {
    this.engine = snapshot.engine;
    const before = this.jobs;
    this.jobs = new Map(snapshot.jobs.map((job) => [job.id, job]));
    this.progress = snapshot.progress;
    this.preview = snapshot.preview;
    this.indexing = snapshot.indexing;
    this.downloads = new Map(snapshot.downloads.map((download) => [download.id, download]));
    this.tell("engine", "jobs", "progress", "preview", "indexing", "downloads", "library");
    for (const job of snapshot.jobs) this.tellFailure(job, before.get(job.id));
    for (const message of snapshot.problems ?? []) this.on_problem({ message });
    this.loadRecent();
  }

  on_engine(engine) {
    this.engine = engine;
    this.tell("engine");
  }

  on_job(job) {
    const before = this.jobs.get(job.id);
    this.jobs.set(job.id, job);
    if (this.jobs.size > MOST_JOBS) this.forgetOldest();
    if (this.progress?.job === job.id && OVER.includes(job.state)) this.progress = this.preview = null;
    this.tell("jobs", "progress", "preview");
    this.tellFailure(job, before);
  }

  /** Says that a job failed, once. News may be merged on their way, or lie in the snapshot already: then `before` is
   *  missing, and what is younger than this page counts. */
  tellFailure(job, before) {
    const isNews = before ? before.state !== "failed" : job.created * 1000 >= performance.timeOrigin;
    if (job.state === "failed" && !job.dismissed && isNews) {
      this.dispatchEvent(new CustomEvent("failed", { detail: job }));
    }
  }

  forgetOldest() {
    const over = this.list.filter((job) => OVER.includes(job.state));
    for (const job of over.slice(MOST_JOBS / 2)) this.jobs.delete(job.id);
  }

  on_progress(progress) {
    this.progress = progress;
    this.tell("progress");
  }

  on_preview(preview) {
    this.preview = preview;
    this.tell("preview");
  }

  on_picture(picture) {
    const job = this.jobs.get(picture.job);
    if (job && !job.pictures.some((known) => known.id === picture.id)) job.pictures = [...job.pictures, picture];
    if (!this.recent.some((known) => known.id === picture.id))
      this.recent = [picture, ...this.recent].slice(0, MOST_RECENT);
    this.tell("jobs", "recent");
  }

  on_library() {
    this.tell("library");
  }

  /** `id`: whose hash has become known; "" when model files or their cards are other ones than before. */
  on_models({ id }) {
    this.dispatchEvent(new CustomEvent("models", { detail: { id } }));
  }

  on_download(download) {
    if (download.state === "removed") this.downloads.delete(download.id);
    else this.downloads.set(download.id, download);
    this.tell("downloads");
  }

  /** `facts`: what was seen inside a step of `job`, while somebody has it recorded. */
  on_inspected(detail) {
    this.dispatchEvent(new CustomEvent("inspected", { detail }));
  }

  on_indexing(indexing) {
    this.indexing = indexing;
    this.tell("indexing");
  }

  on_problem(problem) {
    this.dispatchEvent(new CustomEvent("problem", { detail: problem }));
  }

  async loadRecent() {
    const answer = await ask(`/api/pictures?limit=${MOST_RECENT}`).catch(() => null);
    if (!answer) return;
    this.recent = (answer.pictures ?? answer).filter((picture) => !picture.missing);
    this.tell("recent");
  }
}

export const store = new Store();
