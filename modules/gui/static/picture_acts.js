// What is done with the pictures that are chosen in the history.
import { compare } from "./compare.js";
import { el } from "./element.js";
import { reuse } from "./inspector.js";
import { library } from "./library.js";
import { say } from "./message.js";
import { openMenu } from "./send.js";
import { ask } from "./server.js";
import { download, view } from "./viewer.js";

const TAB = "history";
const BETWEEN_DOWNLOADS = 300;

export class PictureActs {
  /** `redraw` shows what is chosen anew. */
  constructor(selection, grid, toast, redraw) {
    Object.assign(this, { selection, grid, toast, redraw });
  }

  get one() {
    const [id] = this.selection.chosen;
    return this.selection.chosen.size === 1 ? library.record(id) : null;
  }

  async attempt(work) {
    try {
      return await work();
    } catch (refused) {
      return say(TAB, refused.message, refused.hint);
    }
  }

  open() {
    return this.openAt(this.selection.cursor ?? library.ids[0]);
  }

  async openAt(id) {
    const picture = await library.fetched(id);
    if (!picture || picture.missing) return;
    const { ids } = library;
    const pictures = ids.map((one) => library.record(one));
    const chosen = (last) => {
      if (this.selection.chosen.size < 2 && last && !this.selection.touched) this.selection.only(last.id);
      this.grid.reveal(last?.id);
      this.grid.element.focus({ preventScroll: true });
    };
    view(pictures, picture, chosen, (at) => library.fetched(ids[at]));
  }

  async star() {
    const ids = this.selection.list;
    if (!ids.length || library.search.trashed) return;
    const starred = !ids.every((id) => library.record(id)?.starred);
    await library.star(ids, starred);
  }

  async trash() {
    const ids = this.selection.list;
    if (!ids.length || library.search.trashed) return;
    await this.moveChosen(ids, "trash", (moved) => `${counted(moved)} moved to the trash.`, true);
  }

  async restore() {
    await this.moveChosen(this.selection.list, "restore", (moved) => `${counted(moved)} restored.`);
  }

  /** Moves pictures; the cursor goes on to the next one, and what was moved into the trash can be taken back. */
  async moveChosen(ids, what, sentence, undoable = false) {
    const { pictures, problems } = await library.move(ids, what);
    if (problems.length) say(TAB, problems[0], problems.length > 1 ? `So it went with ${problems.length} pictures.` : "");
    if (!pictures.length) return;
    if (ids.length === 1 && this.selection.cursor != null) this.selection.only(this.selection.cursor);
    const back = async () => {
      this.toast.dismiss();
      await this.attempt(() => library.move(pictures, "restore"));
      await library.refresh();
      this.selection.chosen = new Set(pictures);
      this.selection.cursor = pictures[0];
      this.redraw();
    };
    this.toast.show(sentence(pictures.length), undoable ? back : null);
  }

  async askToEmpty(button) {
    await library.refresh(); // the number that is asked about is the number that goes
    const count = library.facts.trashed;
    const empty = () => {
      menu.hidePopover();
      this.attempt(async () => {
        const { deleted } = await ask("/api/library/empty-trash", {});
        await library.refresh();
        this.toast.show(`${counted(deleted)} deleted for good.`);
      });
    };
    const words = `Delete ${count === 1 ? "1 picture" : `${count.toLocaleString()} pictures`} for good`;
    const menu = el("div", { class: "menu", popover: "auto", role: "menu", "aria-label": "Empty the trash" },
      el("button", { type: "button", role: "menuitem", class: "menu-grave", onclick: empty }, words),
    );
    openMenu(menu, button);
  }

  async download() {
    for (const id of this.selection.list) {
      const picture = await library.fetched(id);
      if (!picture || picture.missing) continue;
      download(picture);
      await new Promise((done) => setTimeout(done, BETWEEN_DOWNLOADS)); // browsers drop what comes faster
    }
  }

  async compare() {
    const ids = this.selection.list;
    if (ids.length !== 2) return say(TAB, "Two pictures are compared.", "Choose a second one with Ctrl+click.", "note");
    const [newer, older] = await Promise.all(ids.map((id) => library.fetched(id)));
    compare(older, newer);
  }

  reuse() {
    if (this.one?.infotext) return reuse(this.one);
  }

  reveal() {
    return ask(`/api/pictures/${this.one.id}/show`, {});
  }

  async copy() {
    await navigator.clipboard.writeText(this.one.infotext);
    say(TAB, "The settings text is copied.", "", "note");
  }
}

const counted = (count) => (count === 1 ? "1 picture" : `${count.toLocaleString()} pictures`);
