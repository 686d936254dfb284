// Two ES modules that a finished OHIF imports at run time; everything they need is inside them.
import { execFileSync } from "node:child_process";
import { build } from "esbuild";

// The server's types are made from its OpenAPI at every build, and so can never be old.
execFileSync("npm", ["run", "--silent", "types"], { stdio: ["ignore", "ignore", "inherit"] });
const result = await build({
  entryPoints: { "wetread-extension": "src/extension.ts", "wetread-mode": "src/mode.ts" },
  outdir: process.env.WETREAD_OHIF_DIST ?? "dist",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".css": "text" },
  minify: true,
  legalComments: "inline",
  metafile: true,
});
for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) console.log(`${file}: ${bytes} bytes`);
