// The newest pictures of all jobs; one click puts one on the stage.
import { el } from "./element.js";
import { stageOf } from "./stage.js";
import { store } from "./store.js";
import { thumbnail } from "./thumbnail.js";

class Recent extends HTMLElement {
  connectedCallback() {
    if (this.grid) return;
    this.grid = el("div", { class: "recent-grid" });
    this.append(el("h2", {}, "Recent"), this.grid);
    this.tiles = new Map();
    store.watch(["recent"], () => this.draw());
  }

  draw() {
    const tab = this.getAttribute("tab");
    const tiles = store.recent.map((picture) => {
      if (!this.tiles.has(picture.id))
        this.tiles.set(
          picture.id,
          thumbnail(picture, () => stageOf(tab)?.pick(picture, store.recent)),
        );
      return this.tiles.get(picture.id);
    });
    this.grid.replaceChildren(
      ...(tiles.length ? tiles : [el("p", { class: "quiet" }, "Your pictures will gather here.")]),
    );
  }
}

customElements.define("easel-recent", Recent);
