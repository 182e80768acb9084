// The strip above the timeline: everything, with a frame around what the timeline shows.

class Overview {
  constructor(canvas, picture, onMove) {
    this.canvas = canvas;
    this.picture = picture;
    this.onMove = onMove;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.moveTo(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) {
        this.moveTo(event);
      }
    });
    this.resize();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paint();
  }

  xOf(time) {
    const left = this.picture.left;
    return left + (time / this.picture.model.end) * (this.width - left);
  }

  moveTo(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left;
    const left = this.picture.left;
    this.onMove((Math.max(x - left, 0) / (this.width - left)) * this.picture.model.end);
  }

  // The slices, once; draw() only adds the frame.
  paint() {
    const { model, colors } = this.picture;
    const ratio = window.devicePixelRatio || 1;
    this.still = document.createElement("canvas");
    this.still.width = this.canvas.width;
    this.still.height = this.canvas.height;
    const c = this.still.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    const row = (this.height - 8) / model.lanes.length;
    for (const lane of model.lanes) {
      let painted = -1;
      for (const slice of lane.slices) {
        const x = this.xOf(slice.start);
        const width = Math.max(this.xOf(slice.end) - x, 0.5);
        if (slice.kind === "record" || slice.kind === "before" || x + width < painted) {
          continue;
        }
        painted = x + width;
        c.fillStyle = colors[slice.kind];
        c.fillRect(x, 4 + lane.index * row, width, Math.max(row - 1, 1));
      }
    }
  }

  draw() {
    const c = this.context;
    const { view, colors, left } = this.picture;
    c.clearRect(0, 0, this.width, this.height);
    c.drawImage(this.still, 0, 0, this.width, this.height);
    c.fillStyle = colors.soft;
    c.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    c.textBaseline = "middle";
    c.fillText("all", 10, this.height / 2);
    const x = this.xOf(view.start);
    const width = Math.max(this.xOf(view.end) - x, 4);
    c.globalAlpha = 0.55;
    c.fillStyle = colors.panel;
    c.fillRect(left, 0, x - left, this.height);
    c.fillRect(x + width, 0, this.width - x - width, this.height);
    c.globalAlpha = 1;
    c.strokeStyle = colors.focus;
    c.lineWidth = 2;
    c.strokeRect(x + 1, 1, width - 2, this.height - 2);
  }
}
