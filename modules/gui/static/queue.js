// The queue: what runs, waits, was interrupted or failed, and what can be done about it.
import { el, iconButton, setText } from "./element.js";
import { attempt } from "./message.js";
import { ask } from "./server.js";
import { store } from "./store.js";

const SHOWN = ["running", "waiting", "interrupted", "failed"];
const MOST = 30;
const WORDS = { running: "Running", waiting: "Waiting", interrupted: "Interrupted", failed: "Failed" };

const act = (job, what) => attempt(() => ask(`/api/jobs/${encodeURIComponent(job.id)}/${what}`, {}));

class Queue extends HTMLElement {
  connectedCallback() {
    if (this.entries) return;
    this.count = el("span", { class: "count" });
    this.entries = el("ul", { class: "queue" });
    this.append(el("h2", {}, "Queue", this.count), this.entries);
    store.watch(["jobs"], () => this.draw());
    store.watch(["progress"], () => this.drawProgress());
  }

  draw() {
    const jobs = store.list.filter((job) => SHOWN.includes(job.state) && !job.dismissed);
    jobs.sort(
      (a, b) =>
        SHOWN.indexOf(a.state) - SHOWN.indexOf(b.state) ||
        (a.state === "waiting" ? a.created - b.created : b.created - a.created),
    );
    setText(this.count, jobs.length ? String(jobs.length) : "");
    const entries = jobs.slice(0, MOST).map((job) => this.entry(job));
    this.entries.replaceChildren(
      ...(entries.length
        ? entries
        : [el("li", { class: "queue-empty" }, "Nothing waits. Generate adds a job at any time.")]),
    );
    this.drawProgress();
  }

  entry(job) {
    const pictures = job.total === 1 ? "1 picture" : `${job.total} pictures`;
    const what = job.state === "failed" ? `${job.message} ${job.hint}`.trim() : job.work ? "a model file" : pictures;
    return el(
      "li",
      { class: `job job-${job.state}`, "data-job": job.id },
      el(
        "p",
        { class: "job-prompt", dir: "auto", title: job.work || job.prompt.slice(0, 1000) },
        job.work || job.prompt.slice(0, 200) || ({ extras: "Extras", inspect: "Inspect" }[job.tab] ?? "(no prompt)"),
      ),
      el("p", { class: "job-state", title: what }, el("b", {}, WORDS[job.state]), ` · ${what}`),
      el("div", { class: "job-actions" }, ...this.actions(job)),
      job.state === "running" && el("i", { class: "job-progress", "aria-hidden": "true" }),
    );
  }

  actions(job) {
    if (job.state === "running") return [iconButton("close", "Interrupt", () => act(job, "stop"))];
    if (job.state === "waiting") return [iconButton("close", "Cancel", () => act(job, "cancel"))];
    return [
      iconButton("retry", "Make it again", () => act(job, "resubmit")),
      iconButton("close", "Dismiss", () => act(job, "dismiss")),
    ];
  }

  drawProgress() {
    const bar = this.querySelector(".job-progress");
    if (bar) bar.style.setProperty("--fraction", store.progress?.fraction ?? 0);
  }
}

customElements.define("easel-queue", Queue);
