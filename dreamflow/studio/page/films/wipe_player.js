// Two films over each other, in synchrony: drag across the picture to see the other one. Times are
// in seconds; `offset` is where in the other film the first frame of this one lies.
export default {
  template: `
  <div class="wipe-player">
    <div class="viewer" :style="{ '--shape': shape, '--cut': cut + '%' }">
      <video ref="film" :src="film" muted playsinline loop preload="auto" @loadedmetadata="measure"
        @play="isPlaying = true" @pause="isPlaying = false" @seeked="follow"></video>
      <video v-if="other" ref="other" class="before" :src="other" muted playsinline preload="auto"
        @loadeddata="follow"></video>
      <input v-if="other" class="cut" type="range" min="0" max="100" step="0.1" v-model="cut"
        aria-label="How much of the other film is shown" />
      <div v-if="other" class="knob"></div>
    </div>
    <div class="line">
      <button type="button" class="quiet plain" @click="toggle">{{ isPlaying ? "Pause" : "Play" }}</button>
      <input class="grow wipe-time" type="range" min="0" :max="length" :step="0.001" :value="time"
        aria-label="Time" @input="seek" />
      <span class="mono">{{ time.toFixed(2) }} s</span>
    </div>
  </div>`,
  props: { film: String, other: String, offset: Number },
  data: () => ({ isPlaying: false, time: 0, length: 1, cut: 0, shape: "16 / 9" }),
  watch: { other(other) { this.cut = other ? 50 : 0; } },
  mounted() { this.cut = this.other ? 50 : 0; this.request = requestAnimationFrame(this.step); },
  beforeUnmount() { cancelAnimationFrame(this.request); },
  methods: {
    measure() {
      const { videoWidth, videoHeight, duration } = this.$refs.film;
      this.shape = `${videoWidth} / ${videoHeight}`;
      this.length = duration || 1;
    },
    toggle() { this.$refs.film.paused ? this.$refs.film.play() : this.$refs.film.pause(); },
    seek(event) { this.$refs.film.currentTime = +event.target.value; },
    // The other film is led: it is set where it should be, and plays only as this one does.
    follow() {
      const { film, other } = this.$refs;
      if (!other) return;
      const wanted = film.currentTime + this.offset;
      const tolerance = film.paused ? 0.001 : 0.05;
      if (!other.seeking && Math.abs(other.currentTime - wanted) > tolerance) other.currentTime = wanted;
      if (film.paused !== other.paused) film.paused ? other.pause() : other.play().catch(() => {});
    },
    step() {
      const { film } = this.$refs;
      if (film) {
        this.time = film.currentTime;
        if (this.isPlaying) this.follow();
      }
      this.request = requestAnimationFrame(this.step);
    },
  },
};
