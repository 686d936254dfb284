/**
 * The OHIF mode: the host's own basic mode (or longitudinal, before 3.12) with Wetread's panel first on the right.
 *
 * The host's mode is asked for at run time, so what the host can do, this mode can. The extension is named by its
 * address beside this module: a bare name would be looked up in the host's own list, and fail without a word.
 */

interface Mode {
  id: string;
  routeName: string;
  displayName: string;
  hide?: boolean;
  isValidMode?: (study: unknown) => unknown;
  extensions: Record<string, string>;
  routes: { path: string; layoutTemplate: (...args: unknown[]) => unknown; [more: string]: unknown }[];
  [more: string]: unknown;
}

interface Layout { id: string; props: { rightPanels?: string[]; rightPanelClosed?: boolean; [more: string]: unknown } }

type Factory = (given: Record<string, unknown>) => Mode | Promise<Mode>;

const ID = "@wetread/mode";
const PANEL = "@wetread/extension.panelModule.reads";
const BASES = ["@ohif/mode-basic", "@ohif/mode-longitudinal"];

export default {
  id: ID,
  async modeFactory(given: { modeConfiguration: unknown; loadModules(names: string[]): Promise<unknown[]> }): Promise<Mode> {
    const base = await hostMode(given);
    return {
      ...base,
      id: ID,
      routeName: "wetread",
      displayName: "Wetread",
      hide: false,
      isValidMode: () => ({ valid: true, description: "" }),
      extensions: { ...base.extensions, [new URL("./wetread-extension.mjs", import.meta.url).href]: "^0.1.0" },
      routes: base.routes.map((route) => ({ ...route, layoutTemplate: (...args: unknown[]) => withPanel(route.layoutTemplate.apply(route, args)) })),
    };
  },
};

async function hostMode(given: { loadModules(names: string[]): Promise<unknown[]> }): Promise<Mode> {
  for (const name of BASES) {
    try {
      const [module] = await given.loadModules([name]);
      const mode = module as { modeFactory?: Factory } | undefined;
      if (mode?.modeFactory) return await mode.modeFactory({ modeConfiguration: {}, loadModules: given.loadModules });
    } catch {
      continue; // a host without it has the other one
    }
  }
  throw new Error(`Wetread needs one of ${BASES.join(", ")}`);
}

function withPanel(made: unknown): unknown {
  const layout = made as Layout;
  return { ...layout, props: { ...layout.props, rightPanels: [PANEL, ...(layout.props.rightPanels ?? [])], rightPanelClosed: false } };
}
