// The look's matte, painted over the picture: white shows the dream, black the source. Each stroke
// is sent when it ends, and comes back as a setting of the look.
const FEWEST_STAMPS = 6; // in a brush's width, so that a stroke has no beads

export default {
  template: `
  <div class="painter" :class="{ erasing: isEraser }">
    <canvas ref="canvas" :width="width" :height="height" tabindex="0" role="img"
      aria-label="The matte: paint where the dream is shown" @pointerdown="begin"
      @pointermove="move" @pointerup="end" @pointercancel="end" @pointerleave="ring = null"></canvas>
    <div v-if="ring" class="brush" :style="ring"></div>
  </div>`,
  props: { width: Number, height: Number, name: String, brush: Number, softness: Number,
    isEraser: Boolean },
  data: () => ({ ring: null }),
  watch: {
    name(name) {
      const place = this.expected.indexOf(name);
      this.expected.splice(0, place + 1);
      if (place < 0 && !this.isSending) this.load();
    },
    width() { this.$nextTick(this.load); },
    height() { this.$nextTick(this.load); },
  },
  created() {
    this.last = null; // where the stroke is
    this.expected = []; // names of what was sent, until they come back
    this.isSending = false;
    this.queue = Promise.resolve();
  },
  mounted() { this.load(); },
  methods: {
    context() { return this.$refs.canvas.getContext("2d"); },
    async load() {
      const name = this.name;
      const answer = name ? await fetch(`/mattes/${encodeURIComponent(name)}`) : null;
      const picture = answer && answer.ok ? await createImageBitmap(await answer.blob()) : null;
      if (name !== this.name || !this.$refs.canvas) return;
      const context = this.context();
      context.globalCompositeOperation = "source-over";
      context.fillStyle = "#000";
      context.fillRect(0, 0, this.width, this.height);
      if (picture) context.drawImage(picture, 0, 0, this.width, this.height);
    },
    // --- the brush: its radius is a share of the longer side, in percent
    radius() { return Math.max(1, (this.brush / 200) * Math.max(this.width, this.height)); },
    // White on black for a brush, which lightens; black on white for an eraser, which darkens:
    // however often a stroke passes, its edge stays as soft as it is.
    stamp() {
      const radius = this.radius(), stamp = document.createElement("canvas");
      stamp.width = stamp.height = Math.ceil(2 * radius);
      const context = stamp.getContext("2d");
      const [inside, outside] = this.isEraser ? ["#000", "#fff"] : ["#fff", "#000"];
      const hard = Math.min(1 - this.softness / 100, 1 - 1 / (radius + 1));
      const shade = context.createRadialGradient(radius, radius, hard * radius, radius, radius, radius);
      shade.addColorStop(0, inside);
      shade.addColorStop(1, outside);
      context.fillStyle = shade;
      context.fillRect(0, 0, stamp.width, stamp.height);
      return stamp;
    },
    at(event) {
      const box = this.$refs.canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * this.width,
        ((event.clientY - box.top) / box.height) * this.height];
    },
    begin(event) {
      if (event.button > 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      this.mark = this.stamp();
      this.last = this.at(event);
      this.draw(this.last);
    },
    move(event) {
      this.showRing(event);
      if (!this.last) return;
      const to = this.at(event), [x, y] = this.last;
      const far = Math.hypot(to[0] - x, to[1] - y);
      const steps = Math.ceil(far / Math.max(1, (2 * this.radius()) / FEWEST_STAMPS));
      for (let n = 1; n <= steps; n++)
        this.draw([x + ((to[0] - x) * n) / steps, y + ((to[1] - y) * n) / steps]);
      this.last = to;
    },
    end() {
      if (!this.last) return;
      this.last = null;
      this.send();
    },
    draw([x, y]) {
      const context = this.context(), radius = this.radius();
      context.globalCompositeOperation = this.isEraser ? "darken" : "lighten";
      context.drawImage(this.mark, x - radius, y - radius);
    },
    showRing(event) {
      const box = this.$refs.canvas.getBoundingClientRect();
      const side = (2 * this.radius() * box.width) / this.width;
      this.ring = { width: `${side}px`, height: `${side}px`,
        left: `${event.clientX - box.left - side / 2}px`, top: `${event.clientY - box.top - side / 2}px` };
    },
    fill(shade) {
      const context = this.context();
      context.globalCompositeOperation = "source-over";
      context.fillStyle = shade;
      context.fillRect(0, 0, this.width, this.height);
      this.send();
    },
    // One after the other: a later stroke holds the earlier ones.
    send() {
      this.queue = this.queue.then(async () => {
        const content = await new Promise((done) => this.$refs.canvas?.toBlob(done, "image/png"));
        this.isSending = true;
        const answer = await fetch("/mattes", { method: "POST", body: content }).catch(() => null);
        this.isSending = false;
        if (answer && answer.ok) {
          const { name } = await answer.json();
          if (name !== this.name) this.expected.push(name);
        } else this.$emit("fail", { line: answer ? await answer.text() : "the studio does not answer" });
      });
    },
  },
};
