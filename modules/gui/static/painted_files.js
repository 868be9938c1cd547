// What was painted as PNG files, and a stored mask as numbers.

/** A mask {data, width, height}, one byte a pixel, as a grey PNG. */
export async function maskFile({ data, width, height }) {
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  for (let i = 0; i < data.length; i += 1) words[i] = 0xff000000 | (data[i] * 0x010101);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** A picture with the colours painted over it, {data, width, height} of four bytes a pixel. */
export async function sketchFile(bitmap, { data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  context.drawImage(await createImageBitmap(new ImageData(data, width, height)), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** A bitmap's pixels. */
export function pixelsOf(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** A stored picture as one byte of brightness a pixel. */
export async function greyOf(url) {
  const { data } = pixelsOf(await createImageBitmap(await (await fetch(url)).blob()));
  const grey = new Uint8ClampedArray(data.length / 4);
  for (let i = 0; i < grey.length; i += 1) grey[i] = 0.299 * data[i * 4] + 0.587 * data[i * 4 + 1] + 0.114 * data[i * 4 + 2];
  return grey;
}
