// A small picture that can be pressed.
import { el } from "./element.js";

export function thumbnail(picture, onclick) {
  const words = picture.prompt || `Picture ${picture.id}`;
  const image = el("img", {
    src: picture.thumbnail,
    alt: words.slice(0, 200),
    loading: "lazy",
    decoding: "async",
    draggable: "false",
  });
  const facts = { "data-picture": picture.id, title: words.slice(0, 300) };
  return Object.assign(el("button", { type: "button", class: "thumb", ...facts, onclick }, image), { picture });
}
