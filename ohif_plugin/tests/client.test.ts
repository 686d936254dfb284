import { beforeEach, describe, expect, it, vi } from "vitest";
import { api, send, ServiceError } from "../src/api/client";
import { answer, plainHost } from "./host";

const fetched = vi.fn<(url: string, options: RequestInit) => Promise<Response>>();

beforeEach(() => {
  plainHost({ Authorization: "Bearer abc" });
  fetched.mockReset();
  vi.stubGlobal("fetch", fetched);
});

describe("requests to the service", () => {
  it("go to the configured address with the host's own Authorization header", async () => {
    fetched.mockResolvedValue(answer({ model: {} }));
    await api.capabilities();
    const [url, options] = fetched.mock.calls[0]!;
    expect(url).toBe("http://service.test/wetread/v1/capabilities");
    expect(new Headers(options.headers).get("Authorization")).toBe("Bearer abc");
  });

  it.each([
    [401, "sign-in", true], [403, "forbidden", false], [413, "too-large", false], [400, "refused", false],
    [429, "busy", true], [503, "busy", true], [500, "broken", true],
  ])("tell %i apart, and whether it may be tried again", async (status, trouble, again) => {
    fetched.mockResolvedValue(answer({ what: "a mask of two planes", remedy: "give one" }, status));
    const error = await send("/reads").catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ServiceError);
    expect(error).toMatchObject({ trouble, again, status, said: "a mask of two planes: give one" });
  });

  it("do not repeat a proxy's page", async () => {
    fetched.mockResolvedValue(new Response("<html>Doe^Jane</html>", { status: 502 }));
    await expect(send("/reads")).rejects.toMatchObject({ trouble: "broken", said: "" });
  });

  it("call a network that is not there unreachable", async () => {
    fetched.mockRejectedValue(new TypeError("Failed to fetch"));
    await expect(send("/reads")).rejects.toMatchObject({ trouble: "unreachable", again: true });
  });

  it("call an answer that does not come slow", async () => {
    fetched.mockImplementation((_, options) => new Promise((_done, fail) => options.signal?.addEventListener("abort", () => fail(new Error("aborted")))));
    await expect(send("/reads", {}, 0.02)).rejects.toMatchObject({ trouble: "slow", again: true });
  });
});
