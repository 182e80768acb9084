// Draws the lanes, their slices and the arrows, and finds what is under a point.

const kAxisHeight = 26;
const kMaxArrows = 3000; // more would only be a grey cloud
const kSliceKinds = ["launch", "copy", "snapshot", "record", "wait", "synchronize", "call"];
const kArrowKinds = ["RAW", "WAR", "WAW", "mode", "throttle", "synchronize", "copy"];

// A round step of time such that about one tick comes every `pixels`
function tickStep(pixels, scale) {
  const wanted = pixels / scale;
  const power = Math.pow(10, Math.floor(Math.log10(wanted)));
  return [1, 2, 5, 10].map((x) => x * power).find((step) => step >= wanted);
}

class Picture {
  constructor(canvas, model, hidden) {
    this.canvas = canvas;
    this.model = model;
    this.hidden = hidden; // kinds that are not shown: "slice:copy", "arrow:RAW"
    this.view = { start: 0, end: model.end };
    this.hovered = null;  // a slice or an arrow
    this.chosen = null;
    this.readColors();
    this.resize();
  }

  readColors() {
    const style = getComputedStyle(document.documentElement);
    const names = ["panel", "row", "line", "text", "soft", "on-slice", "marked", "before", "focus", "raw", "war", "waw"];
    this.colors = {};
    for (const name of [...names, ...kSliceKinds, "mode", "throttle"]) {
      this.colors[name] = style.getPropertyValue("--" + name).trim();
    }
  }

  arrowColor(reason) { return this.colors[reason.toLowerCase()]; }

  resize() {
    const narrow = this.canvas.clientWidth < 600;
    this.rowHeight = narrow ? 42 : 52;
    this.sliceHeight = narrow ? 22 : 26;
    this.left = narrow ? 58 : 92;
    this.width = this.canvas.clientWidth;
    this.height = kAxisHeight + this.model.lanes.length * this.rowHeight + 6;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.style.height = this.height + "px";
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  get scale() { return (this.width - this.left) / (this.view.end - this.view.start); }
  xOf(time) { return this.left + (time - this.view.start) * this.scale; }
  timeAt(x) { return this.view.start + (x - this.left) / this.scale; }
  topOf(lane) { return kAxisHeight + lane * this.rowHeight + (this.rowHeight - this.sliceHeight) / 2; }

  draw() {
    const c = this.context;
    c.clearRect(0, 0, this.width, this.height);
    this.drawRows();
    c.save();
    c.beginPath();
    c.rect(this.left, 0, this.width - this.left, this.height);
    c.clip();
    this.drawAxis();
    this.model.lanes.forEach((lane) => this.drawSlices(lane));
    this.drawArrows();
    c.restore();
    this.drawLabels();
  }

  drawRows() {
    const c = this.context;
    c.fillStyle = this.colors.row;
    for (let lane = 0; lane < this.model.lanes.length; lane += 2) {
      c.fillRect(0, kAxisHeight + lane * this.rowHeight, this.width, this.rowHeight);
    }
  }

  drawLabels() {
    const c = this.context;
    this.model.lanes.forEach((lane, i) => {
      const middle = kAxisHeight + (i + 0.5) * this.rowHeight;
      c.textBaseline = "middle";
      c.fillStyle = this.colors.text;
      c.font = "600 13px system-ui, 'DejaVu Sans', sans-serif";
      c.fillText(lane.name, 10, i === 0 ? middle : middle - 7, this.left - 16);
      if (i > 0 && this.model.deviceClock) {
        c.fillStyle = this.colors.soft;
        c.font = "11px system-ui, 'DejaVu Sans', sans-serif";
        c.fillText(Math.round((100 * lane.busy) / this.model.end) + " % busy", 10, middle + 9, this.left - 16);
      }
    });
    c.fillStyle = this.colors.line;
    c.fillRect(this.left - 1, 0, 1, this.height);
  }

  drawAxis() {
    const c = this.context;
    const step = tickStep(90, this.scale);
    c.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    c.textBaseline = "middle";
    for (let i = Math.ceil(this.view.start / step); i * step <= this.view.end; i++) {
      const x = Math.round(this.xOf(i * step));
      c.fillStyle = this.colors.line;
      c.fillRect(x, kAxisHeight - 5, 1, 5);
      c.fillStyle = this.colors.soft;
      c.fillText(timeText(i * step), x + 4, 9);
    }
    this.drawRuns();
  }

  // Where the host begins to submit each run
  drawRuns() {
    const c = this.context;
    const visible = this.model.runs.filter((run) => run.time >= this.view.start && run.time <= this.view.end);
    let lastLabel = -Infinity;
    for (const run of visible) {
      const x = Math.round(this.xOf(run.time));
      if (visible.length > this.width / 8) {
        return;
      }
      c.strokeStyle = this.colors.line;
      c.setLineDash([3, 3]);
      c.beginPath();
      c.moveTo(x + 0.5, kAxisHeight);
      c.lineTo(x + 0.5, this.height);
      c.stroke();
      c.setLineDash([]);
      if (x - lastLabel > 46) {
        c.fillStyle = this.colors.soft;
        c.fillText("run " + run.number, x + 4, kAxisHeight + 6);
        lastLabel = x;
      }
    }
  }

  drawSlices(lane) {
    const c = this.context;
    const slices = lane.slices;
    const top = this.topOf(lane.index);
    const painted = {}; // by kind: up to which pixel
    for (let i = firstVisible(slices, this.view.start); i < slices.length && slices[i].start <= this.view.end; i++) {
      const slice = slices[i];
      if (this.hidden.has("slice:" + slice.kind)) {
        continue;
      }
      const x = this.xOf(slice.start);
      const width = Math.max(this.xOf(slice.end) - x, 1.5);
      if (x + width < (painted[slice.kind] || -1)) {
        continue;
      }
      painted[slice.kind] = x + width + (width < 2 ? 0.25 : 0);
      this.drawSlice(slice, x, top, width);
    }
    c.globalAlpha = 1;
  }

  drawSlice(slice, x, top, width) {
    const c = this.context;
    const height = this.sliceHeight;
    c.fillStyle = this.colors[slice.kind] || this.colors.before;
    if (slice.kind === "record") {
      c.beginPath();
      c.moveTo(x, top + height - 4);
      c.lineTo(x + 4.5, top + height + 5);
      c.lineTo(x - 4.5, top + height + 5);
      c.fill();
    } else {
      const isCall = slice.kind === "call" || slice.kind === "snapshot";
      const inset = isCall ? 5 : 0;
      c.fillRect(x, top + inset, width > 3 ? width - 0.75 : width, height - 2 * inset);
      if (slice.args.done_by_us > slice.end) { // done somewhere in here
        c.globalAlpha = 0.35;
        c.fillRect(x, top + height - 3, (slice.args.done_by_us - slice.start) * this.scale, 3);
        c.globalAlpha = 1;
      }
      this.drawText(slice, x, top, width);
    }
    if (slice === this.hovered || slice === this.chosen) {
      c.strokeStyle = this.colors.marked;
      c.lineWidth = 2;
      c.strokeRect(x - 1, top - 1, Math.max(width, 3) + 2, height + 2);
      c.lineWidth = 1;
    }
  }

  drawText(slice, x, top, width) {
    const from = Math.max(x, this.left) + 5;
    const room = Math.min(x + width, this.width) - from - 4;
    if (room < 24) {
      return;
    }
    const c = this.context;
    c.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    c.textBaseline = "middle";
    let text = slice.name.startsWith(slice.kind + " ") ? slice.name.slice(slice.kind.length + 1) : slice.name;
    if (c.measureText(text).width > room) {
      const length = Math.floor((text.length * room) / c.measureText(text).width) - 1;
      if (length < 4) {
        return;
      }
      text = text.slice(0, length) + "\u2026";
    }
    c.fillStyle = slice.kind === "call" ? this.colors.text : this.colors["on-slice"];
    c.fillText(text, from, top + this.sliceHeight / 2 + 0.5);
  }

  // From where the awaited step ends to where the wait is over; a copy leads to what comes behind it.
  curveOf(arrow) {
    const down = arrow.to.lane > arrow.from.lane;
    const x0 = this.xOf(arrow.from.end);
    const x1 = this.xOf(arrow.kind === "copy" ? arrow.to.start : arrow.to.end);
    const y0 = this.topOf(arrow.from.lane) + (down ? this.sliceHeight : 0);
    const y1 = this.topOf(arrow.to.lane) + (down ? 0 : this.sliceHeight);
    const bend = (y1 - y0) * 0.45;
    return { x0, y0, x1, y1, bend };
  }

  isShown(arrow) {
    return !this.hidden.has("arrow:" + arrow.reason);
  }

  isVisible(arrow) {
    const start = Math.min(arrow.from.end, arrow.to.start);
    const end = Math.max(arrow.from.end, arrow.to.end);
    return this.isShown(arrow) && end >= this.view.start && start <= this.view.end;
  }

  isMarked(arrow) {
    return [this.hovered, this.chosen].some((x) => x && (x === arrow || x === arrow.from || x === arrow.to));
  }

  drawArrows() {
    this.visibleArrows = this.model.arrows.filter((arrow) => this.isVisible(arrow));
    const tooMany = this.visibleArrows.length > kMaxArrows;
    const shown = tooMany ? this.visibleArrows.filter((arrow) => this.isMarked(arrow)) : this.visibleArrows;
    this.visibleArrows = shown;
    for (const arrow of shown) {
      if (!this.isMarked(arrow)) {
        this.drawArrow(arrow, false);
      }
    }
    for (const arrow of shown) {
      if (this.isMarked(arrow)) {
        this.drawArrow(arrow, true);
      }
    }
    if (tooMany) {
      this.context.fillStyle = this.colors.soft;
      this.context.fillText("zoom in to see arrows", this.width - 130, this.height - 8);
    }
  }

  drawArrow(arrow, marked) {
    const c = this.context;
    const { x0, y0, x1, y1, bend } = this.curveOf(arrow);
    c.strokeStyle = c.fillStyle = this.arrowColor(arrow.reason);
    c.globalAlpha = marked ? 1 : arrow.kind === "copy" ? 0.6 : 0.75;
    c.lineWidth = marked ? 3 : 1.25;
    c.beginPath();
    c.moveTo(x0, y0);
    c.bezierCurveTo(x0, y0 + bend, x1, y1 - bend, x1, y1);
    c.stroke();
    const size = marked ? 6 : 4;
    const back = y1 > y0 ? -1 : 1;
    c.beginPath();
    c.moveTo(x1, y1);
    c.lineTo(x1 - size * 0.8, y1 + back * size * 1.5);
    c.lineTo(x1 + size * 0.8, y1 + back * size * 1.5);
    c.fill();
    c.globalAlpha = 1;
    c.lineWidth = 1;
  }

  // What a pointer at this point is about: { slice, others } or { arrow } or null
  find(x, y) {
    return x < this.left ? null : this.findSlice(x, y) || this.findArrow(x, y);
  }

  findSlice(x, y) {
    const lane = this.model.lanes[Math.floor((y - kAxisHeight) / this.rowHeight)];
    const inRow = lane && y >= this.topOf(lane.index) - 3 && y <= this.topOf(lane.index) + this.sliceHeight + 6;
    if (!inRow) {
      return null;
    }
    const reach = 4 / this.scale;
    const time = this.timeAt(x);
    const found = [];
    for (let i = firstVisible(lane.slices, time - reach); i < lane.slices.length; i++) {
      const slice = lane.slices[i];
      if (slice.start > time + reach) {
        break;
      }
      if (slice.end >= time - reach && !this.hidden.has("slice:" + slice.kind)) {
        found.push(slice);
      }
    }
    const distance = (slice) => Math.max(slice.start - time, time - slice.end, 0);
    found.sort((a, b) => distance(a) - distance(b) || a.end - a.start - (b.end - b.start));
    return found.length > 0 ? { slice: found[0], others: found.length - 1 } : null;
  }

  findArrow(x, y) {
    let best = null;
    let bestDistance = 6;
    for (const arrow of this.visibleArrows || []) {
      const { x0, y0, x1, y1, bend } = this.curveOf(arrow);
      for (let i = 0; i <= 24; i++) {
        const t = i / 24;
        const u = 1 - t;
        const px = (u * u * u + 3 * u * u * t) * x0 + (3 * u * t * t + t * t * t) * x1;
        const py = u * u * u * y0 + 3 * u * u * t * (y0 + bend) + 3 * u * t * t * (y1 - bend) + t * t * t * y1;
        const distance = Math.hypot(px - x, py - y);
        if (distance < bestDistance) {
          bestDistance = distance;
          best = arrow;
        }
      }
    }
    return best && { arrow: best };
  }
}
