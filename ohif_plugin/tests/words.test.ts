import { describe, expect, it, vi } from "vitest";
import { de } from "../src/strings/de";
import { en } from "../src/strings/en";
import { language, say, sayOf } from "../src/strings/strings";
import { zh } from "../src/strings/zh";

const holes = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([hole]) => hole).sort();

describe("the panel's words", () => {
  it.each([["German", de], ["Chinese", zh]])("are all there in %s, with the same holes", (_, words) => {
    expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort());
    for (const [key, text] of Object.entries(en)) {
      expect(holes(words[key as keyof typeof en]), key).toEqual(holes(text));
      expect(words[key as keyof typeof en].trim(), key).not.toBe("");
    }
  });

  it("are in the language that OHIF was set to, else the browser's, else English", () => {
    window.localStorage.setItem("i18nextLng", "de-AT");
    expect([language(), say("accept")]).toEqual(["de", "Annehmen"]);
    window.localStorage.setItem("i18nextLng", "pt-BR");
    vi.spyOn(navigator, "language", "get").mockReturnValue("zh-CN");
    expect(language()).toBe("zh");
    vi.spyOn(navigator, "language", "get").mockReturnValue("pt-BR");
    expect(language()).toBe("en");
    window.localStorage.removeItem("i18nextLng");
  });

  it("hold what they are given, and show a state they do not know as it is", () => {
    expect(say("position", { count: 3 })).toBe("Waiting behind 3 reads");
    expect(sayOf("stage", "writing")).toBe("Writing");
    expect(sayOf("stage", "polishing")).toBe("polishing");
  });
});
