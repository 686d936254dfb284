/** One plane of a mask as a PNG in base64, the form in which the service gives and takes it. */

export async function decodePlane(text: string): Promise<Uint8Array> {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, picture.width, picture.height);
  const marked = new Uint8Array(picture.width * picture.height);
  for (let index = 0; index < marked.length; index++) marked[index] = data[4 * index]! > 127 ? 1 : 0;
  return marked;
}

export async function encodePlane(marked: Uint8Array, columns: number, rows: number): Promise<string> {
  const pixels = new Uint8ClampedArray(4 * marked.length);
  for (let index = 0; index < marked.length; index++) {
    pixels.fill(marked[index] ? 255 : 0, 4 * index, 4 * index + 3);
    pixels[4 * index + 3] = 255;
  }
  const canvas = new OffscreenCanvas(columns, rows);
  canvas.getContext("2d")!.putImageData(new ImageData(pixels, columns, rows), 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
  let text = "";
  for (let first = 0; first < bytes.length; first += 0x8000) text += String.fromCharCode(...bytes.subarray(first, first + 0x8000));
  return btoa(text);
}
