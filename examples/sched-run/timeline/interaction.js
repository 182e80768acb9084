// Zoom, pan, hover and choice on the timeline, by mouse, touch and keyboard.

class Interaction {
  constructor(picture, onChange, onPoint, onChoose, onStep) {
    this.picture = picture;
    this.onChange = onChange; // the view is another one
    this.onPoint = onPoint;   // the pointer is over this: what find() says, and the event; or nothing
    this.onChoose = onChoose;
    this.onStep = onStep;     // to the next (1) or previous (-1) wait
    this.pointers = new Map();
    this.moved = 0;
    const canvas = picture.canvas;
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => onPoint(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(start, end) {
    const total = this.picture.model.end;
    const margin = total * 0.02;
    const span = Math.min(Math.max(end - start, 0.01), total + 2 * margin);
    const first = Math.min(Math.max(start, -margin), total + margin - span);
    this.picture.view = { start: first, end: first + span };
    this.onChange();
  }

  zoom(factor, time) {
    const { start, end } = this.picture.view;
    const about = time === undefined ? (start + end) / 2 : time;
    this.show(about - (about - start) / factor, about + (end - about) / factor);
  }

  pan(part) {
    const { start, end } = this.picture.view;
    this.show(start + part * (end - start), end + part * (end - start));
  }

  // Makes a slice or an arrow visible, without zooming further in than needed.
  reveal(start, end) {
    const { view } = this.picture;
    const span = Math.max(view.end - view.start, (end - start) * 1.4);
    const middle = (start + end) / 2;
    if (start < view.start || end > view.end || span > view.end - view.start) {
      this.show(middle - span / 2, middle + span / 2);
    } else {
      this.onChange();
    }
  }

  fit() { this.show(-Infinity, Infinity); }

  act(name) {
    const actions = {
      in: () => this.zoom(1.6), out: () => this.zoom(1 / 1.6), left: () => this.pan(-0.3), right: () => this.pan(0.3),
      fit: () => this.fit(),
    };
    actions[name]();
  }

  positionOf(event) {
    const box = this.picture.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaMode === 0 ? 1 : 16;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.pan(((event.deltaX || event.deltaY) * pixels) / this.picture.width);
      return;
    }
    this.zoom(Math.exp(-event.deltaY * pixels * 0.002), this.picture.timeAt(this.positionOf(event).x));
  }

  press(event) {
    this.picture.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.positionOf(event));
    this.moved = this.pointers.size === 1 ? 0 : Infinity; // two fingers choose nothing
  }

  move(event) {
    const now = this.positionOf(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.onPoint(this.picture.find(now.x, now.y), event);
      return;
    }
    const others = [...this.pointers.entries()].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, now);
    this.moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (others.length > 0) {
      const other = others[0][1];
      const factor = Math.max(Math.abs(now.x - other.x), 10) / Math.max(Math.abs(before.x - other.x), 10);
      this.zoom(factor, this.picture.timeAt((now.x + other.x) / 2));
    } else if (this.moved > 3) {
      this.picture.canvas.classList.add("dragging");
      this.onPoint(null);
      this.pan((before.x - now.x) / (this.picture.width - this.picture.left));
    }
  }

  release(event) {
    const at = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    this.picture.canvas.classList.remove("dragging");
    if (at && this.moved <= 3) {
      this.onChoose(this.picture.find(at.x, at.y));
    }
  }

  key(event) {
    const actions = {
      ArrowLeft: () => this.pan(-0.15), ArrowRight: () => this.pan(0.15), "+": () => this.zoom(1.4),
      "=": () => this.zoom(1.4), "-": () => this.zoom(1 / 1.4), "0": () => this.fit(), Home: () => this.fit(),
      n: () => this.onStep(1), p: () => this.onStep(-1), Escape: () => this.onChoose(null),
    };
    if (actions[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      actions[event.key]();
    }
  }
}
