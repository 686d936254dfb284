/** True where the host paints light: the panel follows what it lies on, whatever the host's version calls its theme. */
export function isLight(from: Element | null): boolean {
  for (let element = from; element; element = element.parentElement) {
    const found = /rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)/.exec(getComputedStyle(element).backgroundColor);
    if (!found || found[4] === "0") continue;
    const [red, green, blue] = found.slice(1, 4).map(Number) as [number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 140;
  }
  return false;
}
