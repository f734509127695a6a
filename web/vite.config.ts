import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../internal/web/dist",
    emptyOutDir: true,
    modulePreload: { polyfill: false }, // it would be a script within the page
    assetsInlineLimit: 0,
    target: "es2022",
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8099" } },
});
