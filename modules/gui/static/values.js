// The widgets' values as the browser sees them: kept over a reload, filled with defaults, set from a picture's text.
//
// Gradio owns the widgets. It tells every change (`remember`), and takes new values through two events that never
// reach the server (`filled`, `applied`).

const forms = new Map();
export const changes = new EventTarget();

class Form {
  constructor(tab) {
    this.tab = tab;
    this.values = {};
    this.choices = {};
    this.only = {};
    this.ready = false;
    const stored = load(`easel.${tab}`);
    this.kept = stored.values ?? {};
    this.filled = stored.filled ?? {};
  }

  remember(names, values) {
    names.forEach((name, i) => (this.values[name] = values[i]));
    if (this.ready) store(`easel.${this.tab}`, { values: this.values, filled: this.filled });
    changes.dispatchEvent(new CustomEvent("values", { detail: this.tab }));
  }

  /** What to show, given what the server offers. A value that the user chose stays; all others take the default. */
  fill(names, offers, now) {
    this.only = Object.fromEntries(names.filter((name) => offers[name].only).map((name) => [name, offers[name].only]));
    const updates = names.map((name, i) => this.update(name, offers[name], now[i]));
    this.ready = true;
    this.remember(
      names,
      names.map((name, i) => (updates[i] && "value" in updates[i] ? updates[i].value : now[i])),
    );
    return updates;
  }

  update(name, offer, now) {
    const before = this.ready ? this.filled[name] : offer.initial;
    let value = now;
    if (now === before) {
      const own = !this.ready && name in this.kept && this.kept[name] !== this.filled[name];
      value = own && fits(this.kept[name], offer) ? this.kept[name] : offer.default;
    } else if (!fits(now, offer)) value = offer.default;
    this.filled[name] = offer.default;
    const update = { __type__: "update", value };
    if ("choices" in offer && !isSameList(offer.choices, this.choices[name])) {
      update.choices = (offer.choices ?? [value]).map((choice) => [choice, choice]); // drawing long lists takes a while
      this.choices[name] = offer.choices;
    } else if (value === now) return undefined;
    return update;
  }
}

const isSameList = (one, other) => one && one.length === other?.length && one.every((choice, i) => choice === other[i]);

function fits(value, offer) {
  if (offer.choices) return offer.choices.includes(value);
  return value === null || typeof value === typeof offer.default || offer.default === null;
}

export function form(tab) {
  if (!forms.has(tab)) forms.set(tab, new Form(tab));
  return forms.get(tab);
}

const pending = new Map();

/** Sets widgets: {steps: 30, ...}. Gives the names of those whose list does not have the value. */
export function apply(tab, wanted) {
  const { choices } = form(tab);
  const impossible = Object.keys(wanted).filter((name) => choices[name] && !choices[name].includes(wanted[name]));
  pending.set(tab, Object.fromEntries(Object.entries(wanted).filter(([name]) => !impossible.includes(name))));
  document.getElementById(`${tab}_apply`)?.click();
  return impossible;
}

export function applied(tab, names) {
  const wanted = pending.get(tab) ?? {};
  pending.delete(tab);
  return names.map((name) => wanted[name]);
}

export function load(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {}; // storage is switched off, or holds something else: nothing was kept
  }
}

export function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // storage is full or switched off: values then live as long as the page
  }
}

/** Asks the server again for lists and defaults, on every tab. */
export function refill() {
  for (const tab of forms.keys()) document.getElementById(`${tab}_fill`)?.click();
}
