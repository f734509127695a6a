import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { colour, theme } from "./theme";

// A Plot draws with uPlot, in the colours of the page, as wide as its place.
export function Plot({ data, options, label, id, height = 200 }: {
  data: uPlot.AlignedData; options: (colours: { ink: string; soft: string; line: string; accent: string; up: string; waking: string }) => Partial<uPlot.Options>;
  label: string; id: string; height?: number;
}) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shade = theme.value;
  useEffect(() => {
    const at = ref.current!;
    const c = { ink: colour("ink"), soft: colour("soft"), line: colour("line"), accent: colour("accent"), up: colour("bar-ready"), waking: colour("bar-starting") };
    const extra = options(c);
    const axis = { stroke: c.soft, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line, width: 1 }, font: "12px system-ui, sans-serif" };
    plot.current = new uPlot({
      width: at.clientWidth, height, ...extra,
      axes: (extra.axes ?? [{}, {}]).map((a) => ({ ...axis, ...a })),
      series: extra.series ?? [{}],
    }, data, at);
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: at.clientWidth, height }));
    watch.observe(at);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shade, data]);
  return <div class="plot" ref={ref} role="img" aria-label={label} data-testid={id} data-points={data[0].length} />;
}
