// The source's time: thumbnails, shots, in and out, the playhead; plays the small film over the
// picture. Times are in seconds from the source's first frame.
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const FASTEST = 8;
const LATENESS_S = 0.1; // of the sound, until it is set right: lips are seen to be late from there on

export default {
  template: `
  <div class="timeline" role="slider" tabindex="0" aria-label="Time" :aria-valuemin="0"
    :aria-valuemax="length" :aria-valuenow="shown" :aria-valuetext="shown.toFixed(2) + ' seconds'"
    @pointerdown="begin" @pointermove="move" @pointerup="end" @pointercancel="end">
    <img v-for="one in thumbnails" :key="one.address" :src="one.address" alt="" draggable="false"
      :style="{ left: share(one.time), width: 100 / thumbnailCount + '%' }" />
    <div v-for="cut in cuts" class="timeline-cut" :style="{ left: share(cut) }"></div>
    <div class="timeline-out" :style="{ left: 0, width: share(first) }"></div>
    <div class="timeline-out" :style="{ left: share(stop), right: 0 }"></div>
    <div class="timeline-mark" v-if="first > 0" :style="{ left: share(first) }"></div>
    <div class="timeline-mark" v-if="stop < length" :style="{ left: share(stop) }"></div>
    <div class="timeline-head" :style="{ left: share(shown) }"></div>
  </div>`,
  props: { length: Number, time: Number, first: Number, stop: Number, frame: Number, cuts: Array,
    thumbnails: Array, thumbnailCount: Number, film: String, sound: String, isMuted: Boolean },
  data: () => ({ speed: 0, playhead: null, isHeld: false }),
  computed: { shown() { return this.playhead ?? this.time; } },
  created() { this.audio = new Audio(); this.heard = ""; },
  watch: { isMuted(muted) { this.audio.muted = muted; }, time() { if (!this.isHeld && !this.speed) this.playhead = null; } },
  beforeUnmount() { this.speed = 0; this.audio.pause(); },
  methods: {
    share(time) { return `${(clamp(time / this.length, 0, 1) * 100).toFixed(3)}%`; },
    video() { return this.$el.closest(".viewer-column").querySelector("video"); },
    begin(event) {
      this.halt();
      event.currentTarget.setPointerCapture(event.pointerId);
      this.isHeld = true;
      this.move(event);
    },
    move(event) {
      if (!this.isHeld) return;
      const box = this.$el.getBoundingClientRect();
      this.playhead = clamp((event.clientX - box.left) / box.width, 0, 1) * this.length;
      this.$emit("seek", { seconds: this.playhead });
    },
    end() { this.isHeld = false; },
    // J, K and L: backwards, halt, forwards; again, faster.
    shuttle(way) {
      if (!way) return this.halt();
      const isSameWay = Math.sign(this.speed) === way;
      this.play(isSameWay ? clamp(this.speed * 2, -FASTEST, FASTEST) : way);
    },
    toggle() { this.speed ? this.halt() : this.play(1); },
    play(speed) {
      const video = this.video();
      if (!this.film || !video) return;
      if (!video.src.endsWith(this.film)) video.src = this.film;
      if (!this.speed) {
        const atEnd = this.time >= this.stop - 1.5 * this.frame && speed > 0;
        video.currentTime = atEnd ? this.first : this.time;
      }
      this.speed = speed;
      video.parentElement.classList.add("playing");
      this.$emit("play", { isPlaying: true });
      if (speed > 0) { video.playbackRate = speed; video.play(); } else video.pause();
      this.last = performance.now();
      requestAnimationFrame(this.step);
    },
    step(now) {
      const video = this.video();
      if (!this.speed || !video) return;
      if (this.speed < 0 && !video.seeking) {  // browsers play forwards only
        video.currentTime = Math.max(0, video.currentTime + (this.speed * (now - this.last)) / 1000);
        this.last = now;
      }
      const isInside = this.time >= this.first && this.time <= this.stop;
      if (this.speed > 0 && (video.ended || (isInside && video.currentTime >= this.stop))) {
        video.currentTime = this.first;
        video.play();
      }
      this.playhead = video.currentTime;
      this.hear(video);
      requestAnimationFrame(this.step);
    },
    // The sound is led by the picture, and heard forwards at its own speed alone.
    hear(video) {
      const { audio } = this;
      if (this.sound && this.heard !== this.sound) audio.src = this.heard = this.sound;
      if (!this.sound || this.speed !== 1) return audio.pause();
      if (!audio.seeking && Math.abs(audio.currentTime - video.currentTime) > LATENESS_S)
        audio.currentTime = video.currentTime;
      if (audio.paused && !audio.ended) audio.play().catch(() => {});
    },
    halt() {
      const video = this.video();
      if (!this.speed || !video) return;
      this.speed = 0;
      video.pause();
      this.audio.pause();
      this.$emit("seek", { seconds: video.currentTime });
      this.$emit("play", { isPlaying: false });
      // The dream of this frame comes; until then the film stands still over it.
      setTimeout(() => { if (!this.speed) video.parentElement.classList.remove("playing"); }, 400);
    },
  },
};
