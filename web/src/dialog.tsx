import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

// A Dialog is shown while it is there. Escape and its button close it.
export function Dialog({ title, close, children, id }: { title: string; close: () => void; children: ComponentChildren; id?: string }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} aria-labelledby="dialog-title" onClose={close} data-testid={id}>
      <div class="row spread">
        <h2 id="dialog-title">{title}</h2>
        <button class="button" type="button" onClick={() => ref.current?.close()}>Close</button>
      </div>
      {children}
    </dialog>
  );
}
