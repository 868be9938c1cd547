// Calm sentences below the header that stay until put away: problems at the start, a lost connection.
import { el, iconButton } from "./element.js";
import { store } from "./store.js";

const PATIENCE = 1500;

class Notices extends EventTarget {
  shown = new Map();
  putAway = new Set();

  /** Shows a sentence once; `key` tells it apart from others, so that it can be taken away again. */
  add(sentence, key = sentence) {
    if (this.shown.get(key) === sentence || this.putAway.has(sentence) || !sentence) return;
    this.shown.set(key, sentence);
    this.dispatchEvent(new Event("change"));
  }

  remove(key) {
    if (this.shown.delete(key)) this.dispatchEvent(new Event("change"));
  }
}

export const notices = new Notices();

class NoticeList extends HTMLElement {
  connectedCallback() {
    notices.addEventListener("change", () => this.draw());
    this.setAttribute("role", "status");
    this.draw();
  }

  draw() {
    this.replaceChildren(
      ...[...notices.shown].map(([key, sentence]) =>
        el(
          "p",
          { class: "notice", dir: "auto" },
          sentence,
          iconButton("close", "Put away", () => {
            notices.putAway.add(sentence);
            notices.remove(key);
          }),
        ),
      ),
    );
  }
}

customElements.define("easel-notices", NoticeList);

class Connection {
  timer = null;
  pill = el("p", { class: "connection", role: "status", hidden: true }, "Connection lost. Trying again…");

  draw() {
    clearTimeout(this.timer);
    if (store.connected === false) this.timer = setTimeout(() => (this.pill.hidden = false), PATIENCE);
    else this.pill.hidden = true;
  }
}

const connection = new Connection();
document.body.append(connection.pill);
store.watch(["connection"], () => connection.draw());
store.addEventListener("problem", ({ detail }) => notices.add(detail.message ?? String(detail)));
