/** The least of a host: enough for requests and the store; images and tools are tested in a real viewer (tests/ohif). */

import { setHost } from "../src/host/host";
import type { Host } from "../src/host/services";

export function plainHost(authorization: Record<string, string> = {}): Host {
  const silent = { EVENTS: {}, subscribe: () => ({ unsubscribe: () => undefined }) };
  const host = {
    servicesManager: {
      services: {
        userAuthenticationService: { getAuthorizationHeader: () => authorization },
        displaySetService: { ...silent, getActiveDisplaySets: () => [], getDisplaySetByUID: () => undefined },
        viewportGridService: { ...silent, getState: () => ({ activeViewportId: null, viewports: new Map() }), getActiveViewportId: () => null },
      },
    },
    commandsManager: { runCommand: () => undefined },
    extensionManager: { getActiveDataSource: () => [] },
    appConfig: { wetread: { url: "http://service.test/wetread/v1" } },
  } as unknown as Host;
  setHost(host);
  return host;
}

export const answer = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
