import { effect, signal } from "@preact/signals";

// Which theme is shown: that of the system until somebody chooses.

const kept = "rouse-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<"light" | "dark">((localStorage.getItem(kept) as "light" | "dark" | null) ?? (system.matches ? "dark" : "light"));

system.addEventListener("change", () => {
  if (!localStorage.getItem(kept)) theme.value = system.matches ? "dark" : "light";
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

export function toggle(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(kept, theme.value);
}

// colour reads one of the style sheet, for what is drawn by script.
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}
